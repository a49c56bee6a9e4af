"""verify: rows are answered without their targets; what is missing, wrong or made up is on record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.backends.structured import read_reply
from engine.judging import Verification
from engine.metrics import METRICS
from engine.rows import Candidate, Convention
from engine.stages.augment.verify import VERIFY, VerifyInputs, VerifyParams
from engine.stages.blocks import Briefing
from engine.stages.evaluate.measure import UsedMetric
from engine.stages.forecast import Range, Situation
from engine.stages.outputs import Loaded, NamedPatterns, Verified
from engine.tasks import TASKS
from tests.plan.fake_resources import reply_schema_of
from tests.stages.augment import six_kinds
from tests.stages.augment.six_kinds import SmallTask, candidate, gated, shown_rows, small_task
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import adds_up

KINDS = [kind for kind in six_kinds.KINDS if TASKS[kind].agreement]
NOTHING = "(null)"
"""An answer that stands for null in a reply."""
Answerer = Callable[[str, str], Any]
"""(a row's id, what the prompt shows of it) -> the answer; None for a row that is left out."""


def params_of(task: SmallTask, samples: int, rows_per_call: int, pack: str) -> VerifyParams:
    metric = METRICS[task.view.entry.agreement or ""]
    return VerifyParams(
        task=task.view,
        briefing=Briefing(description="A small task."),
        samples=samples,
        rows_per_call=rows_per_call,
        temperature=0.7,
        metric=UsedMetric(name=metric.name, version=metric.version, settings=metric.params()),
        schema=reply_schema_of("answers", pack),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_without_labels_training_rows_show_what_answers_are_like(kind: str) -> None:
    task = small_task(kind)
    known = task.train[3]
    rows = [task.row, replace(task.row, id="twin", inputs=known.inputs)]
    _, context = run(task, lambda *_: task.right, rows, samples=1)
    block, *shown = context.prompts[0].split("\nRow r1\n")
    if kind == "classification":
        assert "Rows with their right answers" not in block
        return
    told = block.split("Rows with their right answers, which show what these are like:\n")[1]
    lines = [json.loads(line.removeprefix("- ")) for line in told.strip().splitlines()]
    assert len(lines) == 4
    assert all(line.keys() == {*known.inputs, "answer"} for line in lines)
    assert known.inputs["text"] not in [line["text"] for line in lines], "its answer would be told"
    assert shown


def run(
    task: SmallTask,
    answer: Answerer,
    rows: Sequence[Candidate] = (),
    *,
    samples: int = 2,
    rows_per_call: int = 4,
    pack: str = "standard",
    extra: Sequence[Mapping[str, Any]] = (),
    second: Any = None,
    **rejected: str,
) -> tuple[Verified, ScriptedContext]:
    def reply(role: str, request: Request) -> Any:
        assert role == "judge"
        found = [
            {
                "id": name,
                "reasoning": "",
                "answer": None if said == NOTHING else said,
                "second": second,
            }
            for name, text in shown_rows(request.messages[-1].content).items()
            if (said := answer(name, text)) is not None
        ]
        return {"answers": [*found, *extra]}

    params = params_of(task, samples, rows_per_call, pack)
    generated, gates = gated(tuple(rows or (task.row,)), **rejected)
    inputs = VerifyInputs(task.load, generated, gates)
    context = ScriptedContext(reply, pack=pack, attempt=1)
    output = VERIFY.run(params, inputs, context)
    adds_up(VERIFY, params, inputs, output)
    return output, context


def answered(output: Verified) -> list[Verification]:
    return output.of(Verification)


@pytest.mark.parametrize("pack", ["small", "standard", "frontier"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_good_answerer_agrees_and_a_bad_one_does_not(kind: str, pack: str) -> None:
    task = small_task(kind)
    if kind == "multiple_choice":
        good: Answerer = _by_text("eleven")
        bad: Answerer = _by_text("nine")
    else:
        good, bad = (lambda name, text: task.right), (lambda name, text: task.wrong)
    right = answered(run(task, good, pack=pack)[0])
    assert [(row.sample, row.agrees, row.how) for row in right] == [
        (1, 1.0, "blind"),
        (2, 1.0, "blind"),
    ]
    wrong = answered(run(task, bad, pack=pack)[0])
    assert max(row.agrees for row in wrong) < 0.6
    assert {row.answer for row in wrong} != {row.answer for row in right}


def _by_text(option: str) -> Answerer:
    """Return somebody who finds the letter of an option, wherever it stands."""

    def answer(name: str, text: str) -> str:
        return next(line[0] for line in text.splitlines() if line.endswith(f". {option}"))

    return answer


def test_a_liking_for_one_letter_does_not_agree_with_itself() -> None:
    task = small_task("multiple_choice")
    output, context = run(task, lambda name, text: "A", samples=6, second="B")
    found = answered(output)
    assert {row.answer for row in found} == {"A", "B", "C"}
    assert {row.second for row in found} == {"A", "B", "C"}
    assert len({prompt.split("Row r1")[1] for prompt in context.prompts}) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_is_not_shown(kind: str) -> None:
    task = small_task(kind)
    _, context = run(task, lambda name, text: task.right)
    (row,) = shown_rows(context.prompts[0]).values()
    shown = row.split("</row>")[0].replace(task.row.inputs["text"], "")
    assert task.row.target not in shown or kind == "multiple_choice"
    assert "Proposed" not in context.prompts[0]
    assert "Hide the day" not in context.prompts[0]


def test_samples_are_calls_of_their_own_with_the_rows_in_another_order() -> None:
    task = small_task("classification")
    rows = [replace(task.row, id=f"c{i}", inputs={"text": f"box number {i}"}) for i in range(9)]
    output, context = run(task, lambda name, text: "late", rows, samples=3, rows_per_call=4)
    assert len(context.asked) == 9
    assert [request.attempt for request in context.asked] == [1] * 3 + [2] * 3 + [3] * 3
    assert {request.temperature for request in context.asked} == {0.7}
    assert {len(shown_rows(prompt)) for prompt in context.prompts} == {3}
    orders = ["".join(context.prompts[i : i + 3]) for i in (0, 3, 6)]
    assert len(set(orders)) == 3
    assert len(answered(output)) == 27
    assert {len(found) for found in output.by_candidate.values()} == {3}
    again, repeated = run(task, lambda name, text: "late", rows, samples=3, rows_per_call=4)
    assert [r.id for r in repeated.asked] == [r.id for r in context.asked]
    assert again == output


def test_what_the_gates_reject_is_not_asked_about() -> None:
    task = small_task("classification")
    other = replace(task.row, id="other", inputs={"text": "something else"})
    output, context = run(task, lambda name, text: "late", [task.row, other], c="leak")
    assert list(output.by_candidate) == ["other"]
    assert task.row.inputs["text"] not in "".join(context.prompts)
    assert run(task, lambda name, text: "late", c="leak")[1].asked == []


def test_a_wrong_calculation_is_found_by_a_program_and_costs_no_call() -> None:
    task = small_task("numeric")
    wrong = replace(task.row, target="4 + 5 = <<4+5=8>>8\n#### 8")
    output, context = run(task, lambda name, text: "9", [wrong])
    assert context.asked == []
    (found,) = answered(output)
    assert (found.sample, found.how, found.agrees) == (0, "program", 0.0)
    assert found.detail == "4+5 is 9, not 8"
    assert found.call is None


@pytest.mark.parametrize("kind", KINDS)
def test_where_an_answer_is_one_of_a_few_it_may_be_that_none_fits(kind: str) -> None:
    task = small_task(kind)
    output, context = run(task, lambda name, text: NOTHING)
    (system, *_), schema = context.asked[0].messages, context.asked[0].schema
    none = {"answers": [{"id": "r1", "reasoning": "", "answer": None, "second": None}]}
    found = read_reply(json.dumps(none), schema)
    if kind in ("classification", "multiple_choice"):
        assert found.error is None
        assert "or null if none of the task's answers fits the row" in system.content
        assert [(row.answer, row.agrees, row.detail) for row in answered(output)] == [
            (None, 0.0, "no answer fits")
        ] * 2
    else:
        assert found.error == "schema"
        assert "or null" not in system.content
        assert '"second" is null.' in system.content


def test_what_a_reply_leaves_out_says_twice_or_makes_up_is_a_drop() -> None:
    task = small_task("classification")
    rows = [replace(task.row, id=f"c{i}", inputs={"text": f"box number {i}"}) for i in range(4)]
    twice = {"id": "r2", "reasoning": "", "answer": "broken", "second": None}
    stranger = {**twice, "id": "r9"}
    output, context = run(
        task, lambda name, text: None if name == "r1" else "late", rows, samples=1,
        extra=[twice, stranger],
    )  # fmt: skip
    assert len(context.asked) == 1
    reasons = sorted(drop.reason for drop in output.drops)
    assert reasons == ["missing_in_reply", "not_asked", "twice_in_reply"]
    assert {d.item for d in output.drops if d.reason != "not_asked"} < {c.id for c in rows}
    assert len(answered(output)) == 2


def test_an_unusable_reply_drops_each_row_of_its_call() -> None:
    task = small_task("classification")
    context = ScriptedContext(lambda role, request: None, pack="standard")
    params = params_of(task, 2, 4, "standard")
    inputs = VerifyInputs(task.load, *gated((task.row,)))
    output = VERIFY.run(params, inputs, context)
    adds_up(VERIFY, params, inputs, output)
    assert [(d.item, d.reason) for d in output.drops] == [("c", "schema"), ("c", "schema")]


def test_many_labels_are_defined_by_nearness_to_the_rows_alone() -> None:
    task = small_task("classification")
    train = tuple(
        replace(e, inputs={"text": f"about topic{i}"}, target=f"label{i}", references=(f"label{i}",))
        for i, e in enumerate(task.train)
    )  # fmt: skip
    wide = replace(task, train=train)
    row = candidate("c", {"text": "a word on topic7"}, "label3")
    output, context = run(wide, lambda name, text: "label7", [row])
    definitions = context.prompts[0].split("Labels by training rows that carry them:")[1]
    definitions = definitions.split("Form of")[0]
    assert "- label7:" in definitions
    assert definitions.count("\n- ") == 5
    assert [found.agrees for found in answered(output)] == [0.0, 0.0]


def test_calls_are_forecast() -> None:
    task = small_task("classification")
    params = params_of(task, 3, 8, "frontier")
    situation = Situation({}, Range(0, 0), Range(0, 0), 1, 10.0, False, Range(0, 50))
    forecast = VERIFY.expect(params, situation)
    assert forecast is not None
    assert forecast.calls == Range(0, 21)


def test_nothing_to_answer_asks_nothing() -> None:
    task = small_task("classification")
    context = ScriptedContext(pack="standard")
    inputs = VerifyInputs(Loaded(), *gated(()))
    assert VERIFY.run(params_of(task, 2, 4, "standard"), inputs, context).rows == ()


def test_words_that_are_partly_right_agree_in_part() -> None:
    found = answered(run(small_task("extraction"), lambda name, text: "on Sunday", samples=1)[0])
    assert [row.agrees for row in found] == pytest.approx([2 / 3])


@pytest.mark.parametrize("kind", KINDS)
def test_whoever_answers_is_told_the_rules_of_annotation(kind: str) -> None:
    task, (generated, gates) = small_task(kind), gated((small_task(kind).row,))
    rule = Convention("v", "A day is a day of the week.", 2, "call")
    context = ScriptedContext(lambda *_: None, pack="standard", attempt=1)
    inputs = VerifyInputs(task.load, generated, gates, NamedPatterns((rule,)))
    VERIFY.run(params_of(task, 1, 4, "standard"), inputs, context)
    assert f"show:\n- {rule.text}\n" in context.prompts[0]
