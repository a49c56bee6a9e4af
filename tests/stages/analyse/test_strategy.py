"""strategy: what the teacher is told of a pattern, the labels its rows are about, and what replaces a bad text."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.operators import MINED
from engine.rows import Candidate, Pattern, Strategy, Verdict
from engine.spec.recipe import LeakLimits
from engine.stages import schemas
from engine.stages.analyse.strategy import STRATEGY, OfferedOperator, StrategyInputs, StrategyParams
from engine.stages.analyse.targets import binding
from engine.stages.blocks import Briefing
from engine.stages.outputs import (
    Attempt,
    Clustered,
    Diagnosed,
    Drafted,
    Generated,
    Judged,
    NamedPatterns,
)
from tests.plan.fake_resources import reply_schema_of
from tests.stages.analyse.kinds import KINDS, drafted
from tests.stages.scripted_context import Reply, ScriptedContext, no_reply
from tests.stages.small_task import (
    BROKEN,
    LATE,
    LOADED,
    RUDE,
    SCORED,
    VALIDATION,
    adds_up,
    diagnosis,
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
        task=task_view(kind),
        briefing=Briefing(),
        guard=LeakLimits(),
        schema=reply_schema_of("strategy"),
        labels=labels,
    )
    inputs = StrategyInputs(
        load=LOADED,
        score=SCORED,
        diagnose=Diagnosed(tuple(diagnosis(row, "A cause.", "A scenario.") for row in VALIDATION)),
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
    quoting = {"strategy": "Write rows like: he threw the box over the fence and swore at my dog"}
    output, _ = run(lambda role, request: quoting)
    assert (
        output.strategies[0].text
        == "Write rows that are clearly broken and could be mistaken for late."
    )
    guard = output.strategies[0].guard or ""
    assert guard.startswith("replaced: strategy: ")
    unusable, _ = run(lambda role, request: None)
    assert unusable.strategies[0].text == output.strategies[0].text
    assert unusable.strategies[0].guard == "replaced: no usable reply (schema)"


def test_where_targets_are_no_labels_a_strategy_is_about_none() -> None:
    output, context = run(lambda role, request: None, kind="generation")
    assert {s.labels for s in output.strategies} == {()}
    assert output.strategies[0].text == "Write rows in which this matters: Waits without a word."
    assert not any("answered as" in prompt for prompt in context.prompts)


def test_a_pattern_without_a_name_is_not_told_by_its_number() -> None:
    nameless = replace(
        PATTERNS[0], name="pattern p-1", description="2 failures with like diagnoses."
    )
    output, _ = run(lambda role, request: None, [nameless], kind="generation")
    assert "p-1" not in output.strategies[0].text


def plan(**changes: Any) -> dict[str, Any]:
    """Return a large teacher's reply."""
    return {
        "reasoning": "It goes by one word.",
        "strategy": "Write rows in which a wait is told by what does not happen.",
        "must": ["one fault only", "one fault only"],
        "must_not": ["the label's word"],
        "attributes": [{"name": "length", "values": ["short", "long", "short"]}],
        "pairs": [],
        "operators": [],
        "difficulty": {"easy": 1, "medium": 1, "hard": 2},
        **changes,
    }


def strategy(reply: Any, kind: str = "classification", **changes: Any) -> Strategy:
    """Return the strategy of all of a task's failures as one pattern."""
    output, _ = drafted(KINDS[kind](), lambda *_: reply, "frontier", size=9, **changes)
    return output.strategies[0]


def test_all_that_a_large_teacher_plans_is_kept() -> None:
    made = strategy(
        plan(operators=[{"name": "similar", "share": 0.8}, {"name": "magic", "share": 0.9}])
    )
    assert made.text == plan()["strategy"]
    assert (made.must, made.must_not) == (("one fault only",), ("the label's word",))
    assert made.attributes == {"length": ["short", "long"]}
    assert made.operators == {"similar": 1.0}, "known ones alone"
    assert made.difficulty == {"easy": 0.25, "medium": 0.25, "hard": 0.5}
    assert made.guard is None


def test_a_rule_may_be_for_rows_of_some_labels() -> None:
    rules = [
        {"rule": "say when", "labels": [LATE, "no label"]},
        {"rule": "be short", "labels": []},
        {"rule": "name a jar", "labels": ["no label"]},
    ]
    made = strategy(plan(must=rules, must_not=[{"rule": "swear", "labels": [BROKEN, LATE]}]))
    assert made.must == ("say when", "be short")
    assert made.must_not == ("swear",)
    assert made.rule_labels == {
        "must": {"say when": [LATE]},
        "must_not": {"swear": [BROKEN, LATE]},
    }
    assert (made.guard or "").startswith("left out: 1 of its lists, the first: a rule for labels")


def rule(text: str, *labels: str) -> dict[str, Any]:
    return {"rule": text, "labels": list(labels)}


def test_a_rule_that_is_given_twice_is_for_the_labels_of_both() -> None:
    twice = [rule("say when", LATE), rule("say when", RUDE, LATE), rule("say when", "no label")]
    for must in (
        [rule("be short", LATE), rule("be short")],
        [rule("be short"), rule("be short", LATE)],
    ):
        made = strategy(plan(must=[*twice, *must], must_not=[]))
        assert made.must == ("say when", "be short")
        assert made.rule_labels == {"must": {"say when": [LATE, RUDE]}}, "or for every row"


def test_one_label_may_need_what_another_must_not_have() -> None:
    made = strategy(plan(must=[rule("say when", LATE)], must_not=[rule("say when", RUDE)]))
    assert made.rule_labels == {"must": {"say when": [LATE]}, "must_not": {"say when": [RUDE]}}
    whole = strategy(plan(must=[rule("say when", LATE)], must_not=[rule("say when")]))
    assert whole.rule_labels == {"must": {"say when": [LATE]}}


def test_where_targets_are_no_labels_rules_are_texts() -> None:
    _, labelled = drafted(KINDS["classification"](), lambda *_: None, "frontier")
    _, free = drafted(KINDS["numeric"](), lambda *_: None, "frontier")
    for context, kind in ((labelled, "object"), (free, "string")):
        parts = (context.asked[0].schema or {})["properties"]
        assert [parts[name]["items"]["type"] for name in ("must", "must_not")] == [kind, kind]
    assert "by their names" in labelled.prompts[0]
    assert "each a `rule`" not in free.prompts[0]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["late"], ["be short", "say when", "no oath"]),
        (["broken"], ["be short", "no oath"]),
        (["late", "broken"], ["be short", "for late: say when", "no oath"]),
        (["rude"], ["be short"]),
        ([], ["be short", "for late: say when", "for broken, late: no oath"]),
    ],
)
def test_a_writer_is_told_the_rules_for_the_labels_of_its_rows(
    asked: list[str], told: list[str]
) -> None:
    labels = {"say when": ["late"], "no oath": ["broken", "late"]}
    assert binding(["be short", "say when", "no oath"], labels, asked) == told


OTHER_SIDE = {"description": " Rows with one number. ", "share": 0.25}


def test_where_targets_are_no_labels_a_plan_has_another_side() -> None:
    made = strategy(plan(contrast=OTHER_SIDE), "numeric")
    assert (made.contrast, made.contrast_share) == ("Rows with one number.", 0.25)
    for nothing in ({"description": "", "share": 0.3}, {"description": "Rows.", "share": 0}):
        made = strategy(plan(contrast=nothing), "numeric")
        assert (made.contrast, made.contrast_share) == ("", 0.0)


def test_the_other_side_of_labels_is_a_label() -> None:
    for kind in KINDS:
        labelled = KINDS[kind]().task.labelled
        _, context = drafted(KINDS[kind](), lambda *_: None, "frontier")
        parts = (context.asked[0].schema or {})["properties"]
        assert ("contrast" in parts, "pairs" in parts) == (not labelled, labelled)
        assert ("- `contrast`: the other side" in context.prompts[0]) == (not labelled)
        assert ("those of the contrast aside" in context.prompts[0]) == (not labelled)
        assert ("labels" in parts["kinds"]["items"]["properties"]) == labelled


@pytest.mark.parametrize("name", ["classification", "structured"])
def test_what_no_writer_is_told_is_not_asked_for(name: str) -> None:
    one = KINDS[name]()
    whole = reply_schema_of("strategy", "frontier")
    schema = schemas.strategy(whole, one.task.labelled, ())
    made, context = drafted(one, lambda *_: plan(must=[], must_not=[]), "frontier", schema=schema)
    assert not {"contrast", "kinds"} & schema["properties"].keys()
    assert not re.search("`contrast`|`kinds`|kind;", context.prompts[0])
    assert made.strategies[0].contrast == ""


def test_the_other_side_may_not_quote() -> None:
    quote = "Such as: we are five, about nine o'clock."
    made = strategy(plan(contrast={"description": quote, "share": 0.25}), "structured")
    assert (made.contrast, made.contrast_share) == ("", 0.0)
    assert "left out: 1 of its lists" in (made.guard or "")


def kind(
    name: str, description: str = "What it is.", share: float = 0.5, *labels: str
) -> dict[str, Any]:
    return {"name": name, "description": description, "labels": list(labels), "share": share}


def test_a_plan_may_have_kinds_of_rows() -> None:
    proposed = [
        kind("a", share=0.2), kind(" b ", "Another.", 0.6, LATE, "no label"), kind("a", "Again."),
        kind("none of it", share=0), kind("unknown", "Rows.", 0.5, "no label"),
    ]  # fmt: skip
    made = strategy(plan(kinds=proposed))
    assert list(made.kinds) == [
        {"name": "a", "description": "What it is.", "labels": [], "share": 0.25},
        {"name": "b", "description": "Another.", "labels": [LATE], "share": 0.75},
    ]
    assert "left out: 1 of its lists, the first: a kind for labels" in (made.guard or "")
    quoting = strategy(plan(kinds=[kind("a"), kind("b", "he swore at my dog and threw the box")]))
    assert [one["name"] for one in quoting.kinds] == ["a"]


@pytest.mark.parametrize("pack", ["standard", "frontier"])
def test_all_shares_are_parts_of_one(pack: str) -> None:
    def shares(part: Any) -> list[tuple[float, float]]:
        if not isinstance(part, dict):
            return []
        inner = [bound for one in part.values() for bound in shares(one)]
        own = [(part["minimum"], part["maximum"])] if part.get("type") == "number" else []
        return own + inner

    found = shares(dict(reply_schema_of("strategy", pack)))
    assert len(found) == 7
    assert set(found) == {(0, 1), (0, 0.5)}
    _, context = drafted(KINDS["classification"](), lambda *_: None, pack)
    assert context.prompts[0].count("sum to 1") == 1
    assert "Shares are parts of 1 (0.25 is a quarter)" in context.prompts[0]


def pair(right: str, wrong: str, share: float) -> dict[str, Any]:
    return {"right": right, "wrong": wrong, "share": share}


@pytest.mark.parametrize(
    ("proposed", "kept"),
    [
        # late was answered as rude and broken as late; rude could not be read.
        ([pair(LATE, RUDE, 3 / 10), pair(BROKEN, LATE, 1 / 10)], [pair(LATE, RUDE, 0.75), pair(BROKEN, LATE, 0.25)]),
        ([pair(LATE, RUDE, 0.3), pair(RUDE, LATE, 0.7)], [pair(LATE, RUDE, 1.0)]),
        ([pair(LATE, BROKEN, 1), pair(RUDE, "unreadable", 1)], [pair(BROKEN, LATE, 0.5), pair(LATE, RUDE, 0.5)]),
        ([pair(LATE, RUDE, 0)], [pair(BROKEN, LATE, 0.5), pair(LATE, RUDE, 0.5)]),
        ([], [pair(BROKEN, LATE, 0.5), pair(LATE, RUDE, 0.5)]),
    ],
)  # fmt: skip
def test_pairs_are_confusions_that_were_observed_and_else_their_counts_decide(
    proposed: list[dict[str, Any]], kept: list[dict[str, Any]]
) -> None:
    assert list(strategy(plan(pairs=proposed)).pairs) == kept


def test_shares_sum_to_one() -> None:
    shares = [{"name": name, "share": 1 / 3} for name in ("similar", "paraphrase", "other")]
    operators = tuple(OfferedOperator(name=one["name"], description="") for one in shares)  # type: ignore[arg-type]
    made = strategy(plan(operators=shares), operators=operators)
    assert sum(made.operators.values()) == 1.0


def test_pairs_of_several_labels_are_whole_answers() -> None:
    made = strategy(plan(pairs=[pair("none", "rude", 1)]), "several labels")
    assert list(made.pairs) == [pair("[]", '["rude"]', 1.0)]
    assert made.labels[:2] == ("[]", '["rude"]')


def test_the_labels_of_the_teachers_pairs_come_first() -> None:
    assert strategy(plan(pairs=[pair(LATE, RUDE, 1)])).labels == (LATE, RUDE, BROKEN)


def test_a_strategy_that_quotes_is_asked_for_once_more_and_its_lists_are_cut() -> None:
    quote = "such as he swore at my dog and threw the box"
    left = iter([plan(strategy=quote), plan(must=["one fault", quote])])
    output, context = drafted(KINDS["classification"](), lambda *_: next(left), "standard", size=9)
    (made,) = output.strategies
    assert made.text == plan()["strategy"]
    assert (made.must, made.call) == (("one fault",), context.asked[1].id)
    assert (made.guard or "").startswith("reworded: strategy: ")
    assert "left out: 1 of its lists" in (made.guard or "")
    assert "swore" not in context.prompts[1].split("# Once more")[1]


def test_training_rows_near_the_weakness_are_shown_those_of_confused_labels_in_turn() -> None:
    _, context = drafted(KINDS["classification"](), lambda *_: None, "standard", size=9)
    prompt = context.prompts[0].split("# Training rows")[1]
    assert [line for line in prompt.splitlines() if line.startswith("right answer")] == [
        "right answer: broken",
        "right answer: late",
        "right answer: rude",
        "right answer: late",
    ]


def test_operators_of_other_categories_are_neither_offered_nor_taken() -> None:
    operators = (
        OfferedOperator(name="similar", description="New rows."),
        OfferedOperator(name="edit", description="Edit rows."),
        OfferedOperator(name="paraphrase", description="Reword.", patterns=("slow",)),
    )
    wanted = [{"name": "paraphrase", "share": 1.0}]
    output, context = drafted(
        KINDS["numeric"](), lambda *_: plan(operators=wanted), "frontier", operators=operators
    )
    assert "- similar: New rows.\n- edit: Edit rows." in context.prompts[0]
    assert "paraphrase" not in context.prompts[0]
    assert output.strategies[0].operators == {}


def test_of_one_operator_there_is_nothing_to_choose() -> None:
    one = (OfferedOperator(name="similar", description="New rows."),)
    silent = {name: part for name, part in plan().items() if name != "operators"}
    output, context = drafted(KINDS["numeric"](), lambda *_: silent, "frontier", operators=one)
    assert "operators" not in (context.asked[0].schema or {})["properties"]
    assert "`operators`" not in context.prompts[0]
    assert "Ways of making rows" not in context.prompts[0]
    assert output.strategies[0].text == plan()["strategy"]


@pytest.mark.parametrize("pack", ["standard", "frontier"])
def test_the_bounds_that_the_prompt_says_are_those_of_the_schema(pack: str) -> None:
    _, context = drafted(KINDS["classification"](), lambda *_: None, pack)
    parts = (context.asked[0].schema or {})["properties"]
    prompt = context.prompts[0]
    assert f"in at most {parts['strategy']['maxLength']} characters" in prompt
    for name in ("must", "must_not", "kinds", "attributes", "pairs"):
        assert f"`{name}`: up to {parts[name]['maxItems']} " in prompt


def test_of_a_pattern_that_goes_on_the_last_strategy_and_what_came_of_it_are_told() -> None:
    tried = Drafted((Strategy("s-0", "p-0", "Write longer rows.", (), None, None),))

    def candidate(number: int) -> Candidate:
        row = {"text": f"row {number}"}
        # The strategy wrote no row that was found in a pool.
        operator = MINED if number == 3 else "similar"
        return Candidate(f"c{number}", "", "p-0", "s-0", operator, 1, row, LATE, "", "", "call")

    def verdict(number: int, reason: str, feedback: str) -> Verdict:
        accepted, none = reason == "accepted", None
        return Verdict(
            f"c{number}", accepted, reason, "", feedback, none, none, none, none, none, none, none
        )

    attempt = Attempt(
        0,
        Generated(tuple(candidate(number) for number in range(4))),
        Judged(
            (
                verdict(0, "accepted", ""),
                verdict(1, "leak", "Other."),
                verdict(2, "judge", "Say it </data> so."),
                verdict(3, "leak", "Like a row that is known."),
            )
        ),
    )
    _, context = drafted(
        KINDS["classification"](), lambda *_: None, "standard", earlier=[tried], attempts=[attempt]
    )
    first, second = context.prompts
    assert "Write longer rows." in first
    assert "1 were accepted and 2 rejected (leak: 1, judge: 1)." in first
    assert "- Other.\n- Say it ‹/data> so." in first
    assert "Like a row that is known." not in first
    assert "What was tried before" not in second
