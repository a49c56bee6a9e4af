"""strategy: what the teacher is told of a pattern, the labels its rows are about, and what replaces a bad text."""

from collections.abc import Sequence

from engine.rows import Pattern
from engine.spec.recipe import LeakLimits
from engine.stages.analyse.strategy import STRATEGY, StrategyInputs, StrategyParams
from engine.stages.outputs import Clustered, Drafted, NamedPatterns
from tests.plan.fake_resources import reply_schema_of
from tests.stages.scripted_context import Reply, ScriptedContext, no_reply
from tests.stages.small_task import (
    BROKEN,
    LATE,
    LOADED,
    RUDE,
    SCORED,
    VALIDATION,
    adds_up,
    member,
    task_view,
)

PATTERNS = [
    Pattern("p-1", "Waits without a word", "Told by deeds.", None, 2, (1.0,), None, None, None),
    Pattern("p-2", "Anger", "Told by deeds.", None, 1, (1.0,), None, None, None),
]
MEMBERS = [member("p-1", VALIDATION[0]), member("p-1", VALIDATION[1]), member("p-2", VALIDATION[2])]
GOOD = {"strategy": " Write rows that tell of one fault only. "}


def run(
    reply: Reply,
    patterns: Sequence[Pattern] = PATTERNS,
    *,
    kind: str = "classification",
    labels: int = 4,
) -> tuple[Drafted, ScriptedContext]:
    params = StrategyParams(
        task=task_view(kind), guard=LeakLimits(), schema=reply_schema_of("strategy"), labels=labels
    )
    inputs = StrategyInputs(
        load=LOADED,
        score=SCORED,
        cluster=Clustered(tuple(MEMBERS)),
        name=NamedPatterns(tuple(patterns)),
    )
    context = ScriptedContext(reply)
    output = STRATEGY.run(params, inputs, context)
    adds_up(STRATEGY, params, inputs, output)
    return output, context


def test_no_patterns_need_no_strategy() -> None:
    assert run(no_reply, [])[0] == Drafted()


def test_each_pattern_has_the_teachers_strategy() -> None:
    output, context = run(lambda role, request: GOOD)
    assert [s.pattern for s in output.strategies] == ["p-1", "p-2"]
    assert {s.text for s in output.strategies} == {GOOD["strategy"].strip()}
    assert [s.call for s in output.strategies] == [request.id for request in context.asked]
    assert [s.guard for s in output.strategies] == [None, None]
    assert len({s.id for s in output.strategies}) == 2


def test_the_teacher_sees_names_and_labels_and_no_row() -> None:
    _, context = run(lambda role, request: GOOD)
    first, second = context.prompts
    assert "About: Waits without a word. Told by deeds." in first
    assert "Error: broken was answered as late; late was answered as rude" in first
    assert "Error: rude was answered as unreadable" in second
    for row in LOADED.examples:
        assert not any(row.inputs["text"] in prompt for prompt in context.prompts)


def test_labels_are_the_right_ones_before_those_they_were_taken_for_and_known_ones_alone() -> None:
    output, _ = run(lambda role, request: GOOD)
    # Right ones weigh twice; `late` is right once and wrong once, `unreadable` is no label.
    assert output.strategies[0].labels == (LATE, BROKEN, RUDE)
    assert output.strategies[1].labels == (RUDE,)
    fewer, _ = run(lambda role, request: GOOD, labels=2)
    assert fewer.strategies[0].labels == (LATE, BROKEN)


def test_a_text_that_quotes_an_evaluation_row_is_replaced_by_one_of_labels() -> None:
    quoting = {"strategy": "Write rows like: threw the box over the fence"}
    output, _ = run(lambda role, request: quoting)
    assert (
        output.strategies[0].text
        == "Write rows that are clearly broken and could be mistaken for late."
    )
    assert output.strategies[0].guard == "shares a word 5-gram with an evaluation row"
    unusable, _ = run(lambda role, request: None)
    assert unusable.strategies[0].text == output.strategies[0].text
    assert unusable.strategies[0].guard == "no usable reply (schema)"


def test_where_targets_are_no_labels_a_strategy_is_about_none() -> None:
    output, context = run(lambda role, request: None, kind="generation")
    assert {s.labels for s in output.strategies} == {()}
    assert output.strategies[0].text == "Write rows in which this matters: Waits without a word."
    assert not any("answered as" in prompt for prompt in context.prompts)
