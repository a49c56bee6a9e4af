"""diagnose: one diagnosis or drop per validation failure that was drawn, and nothing of the other splits."""

from collections.abc import Sequence

from engine.rows import DrawnFailure, Failure
from engine.stages.analyse.diagnose import DIAGNOSE, DiagnoseInputs, DiagnoseParams
from engine.stages.outputs import Diagnosed, Drawn, Scored
from tests.plan.fake_resources import reply_schema_of
from tests.stages.scripted_context import Reply, ScriptedContext
from tests.stages.small_task import (
    LATE,
    LOADED,
    RUDE,
    SCORED,
    TEST,
    VALIDATION,
    adds_up,
    example,
    failure,
    task_view,
)

GOOD = {"root_cause": " A wait is told. ", "scenario": "Nothing is called late. "}


def drawn(failures: Sequence[Failure]) -> Drawn:
    """Return the failures as drawn for diagnosis, all of them."""
    return Drawn(
        tuple(
            DrawnFailure(f.example, f.answer, f.target, f.predicate, "diagnose") for f in failures
        )
    )


def run(reply: Reply, scored: Scored = SCORED) -> tuple[Diagnosed, ScriptedContext]:
    params = DiagnoseParams(task=task_view(), schema=reply_schema_of("diagnosis"))
    inputs = DiagnoseInputs(load=LOADED, draw=drawn(scored.failures("validation")))
    context = ScriptedContext(reply)
    output = DIAGNOSE.run(params, inputs, context)
    adds_up(DIAGNOSE, params, inputs, output)
    return output, context


def test_every_validation_failure_is_diagnosed_and_no_other() -> None:
    output, context = run(lambda role, request: GOOD)
    assert [d.example for d in output.diagnoses] == [row.id for row in VALIDATION]
    assert {(d.root_cause, d.scenario) for d in output.diagnoses} == {
        ("A wait is told.", "Nothing is called late.")
    }
    assert len({d.id for d in output.diagnoses}) == 3
    assert [d.call for d in output.diagnoses] == [request.id for request in context.asked]


def test_the_teacher_sees_the_row_the_answer_and_the_right_answer_and_no_test_row() -> None:
    _, context = run(lambda role, request: GOOD)
    for prompt, row, answer in zip(context.prompts, VALIDATION, (RUDE, LATE, "None"), strict=True):
        assert row.inputs["text"] in prompt
        assert f"Right: {row.target}. Answered: {answer}" in prompt
    assert not any(TEST[0].inputs["text"] in prompt for prompt in context.prompts)


def test_an_unusable_reply_is_a_drop() -> None:
    first = VALIDATION[0].inputs["text"]
    output, _ = run(lambda role, request: None if first in request.messages[-1].content else GOOD)
    assert [d.example for d in output.diagnoses] == [row.id for row in VALIDATION[1:]]
    assert [(d.stage, d.item, d.reason) for d in output.drops] == [
        ("diagnose", VALIDATION[0].id, "schema")
    ]


def test_without_failures_nobody_is_asked() -> None:
    output, context = run(lambda role, request: GOOD, Scored((failure(LOADED.train[0], LATE),)))
    assert output.rows == ()
    assert context.asked == []


def test_the_same_words_about_two_rows_are_two_diagnoses() -> None:
    rows = [example("late", LATE, "validation"), example("later", LATE, "validation")]
    failures: list[Failure] = [failure(row, RUDE) for row in rows]
    params = DiagnoseParams(task=task_view(), schema=reply_schema_of("diagnosis"))
    loaded = type(LOADED)((*LOADED.rows, *rows))
    context = ScriptedContext(lambda role, request: GOOD)
    output = DIAGNOSE.run(params, DiagnoseInputs(load=loaded, draw=drawn(failures)), context)
    assert len({d.id for d in output.diagnoses}) == 2
