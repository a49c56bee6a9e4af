"""generate, select and adherence: rows of the other side where targets are no labels, and the kinds of rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from engine.operators import MINED
from engine.rows import Candidate, Strategy
from engine.stages.augment.generate import GENERATE
from engine.stages.augment.judging.adherence import adherences
from engine.stages.augment.planning import CONTRAST, KIND, SIDE, RowPlan, Slot, slot_of
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.augment.wishes import DIFFICULTY
from engine.stages.outputs import Drafted, Generated, Loaded, Scored
from tests.plan.fake_resources import reply_schema_of
from tests.stages.augment.six_kinds import PATTERNS
from tests.stages.augment.test_generate import STRATEGY, answer, inputs, judged, params, run, used
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import BROKEN, LATE, example, task_view

FREE = task_view("generation")
ROWS = [example(f"add {i} and {i + 1}", str(2 * i + 1)) for i in range(8)]
KINDS = (
    {"name": "sums", "description": "Two numbers are added.", "share": 0.75, "labels": []},
    {"name": "products", "description": "They are multiplied.", "share": 0.25, "labels": []},
)
PLAN = Strategy(
    "s", "p", "Write hard sums.", (), None, None, ("two numbers",), contrast="Sums of one number.",
    contrast_share=1 / 3, attributes={"tone": ["calm", "loud"]}, difficulty={"hard": 1.0},
)  # fmt: skip


def given(strategy: Strategy = PLAN, **changes: Any) -> Any:
    free = Loaded((*ROWS, example("add none of these to those", "0", "validation")))
    return inputs(load=free, score=Scored(), strategy=Drafted((strategy,)), **changes)


def sides(candidates: Any) -> Counter[bool]:
    return Counter(c.attributes.get(SIDE) == CONTRAST for c in candidates)


def test_a_share_of_the_rows_is_written_for_the_other_side() -> None:
    output, ctx = run(params(task=FREE), given())
    assert sides(output.candidates) == {True: 4, False: 8}
    prompt = "\n".join(ctx.prompts)
    plan = RowPlan(task=FREE, rows_per_round=12, coverage=0.2)
    assert "Rows for contrast: Sums of one number.\n" in prompt
    assert prompt.count(" a new row for contrast") == 4
    for candidate in output.candidates:
        hard = candidate.attributes.get(DIFFICULTY)
        assert (hard is None) == (SIDE in candidate.attributes), "the student gets it right already"
        assert slot_of(plan, candidate) == Slot(None, None, SIDE in candidate.attributes)


def test_what_an_operator_is_not_told_it_does_not_write() -> None:
    both, _ = run(params(used(), used("paraphrase"), task=FREE), given())
    assert {c.operator for c in both.candidates if SIDE in c.attributes} == {"new_situation"}
    assert sides(both.candidates)[True] == 4
    alone, ctx = run(params(used("paraphrase"), task=FREE), given())
    assert sides(alone.candidates) == {False: 12}, "none of its rows is lost"
    assert "contrast" not in "".join(ctx.prompts)


@pytest.mark.parametrize("share", [0.9, 0.5])
def test_at_most_half_of_the_rows_are_of_the_other_side(share: float) -> None:
    output, _ = run(params(task=FREE), given(replace(PLAN, contrast_share=share)))
    assert sides(output.candidates) == {True: 6, False: 6}


def test_what_is_lacking_of_each_side_is_asked_for_again_and_selected() -> None:
    first, _ = run(params(task=FREE), given())
    kept = [c for c in first.candidates if SIDE not in c.attributes]
    attempt = judged(first, 1)
    rejected = tuple(
        v if v.candidate in {c.id for c in kept} else replace(v, accepted=False, reason="judge")
        for v in attempt.judge.verdicts
    )
    attempt = replace(attempt, judge=replace(attempt.judge, rows=rejected))
    second, _ = run(params(task=FREE), given(attempts=(attempt,)))
    assert sides(second.candidates) == {True: 4 + 2}, "more are asked for where many were rejected"
    chosen = SELECT.run(
        SelectParams(task=FREE, rows_per_round=6, coverage=0.0),
        SelectInputs(
            load=given().load, score=Scored(), name=given().name, strategy=given().strategy,
            attempts=(attempt, judged(second, 2)),
        ),
        ScriptedContext(lambda *_: None),
    )  # fmt: skip
    by_id = {c.id: c for c in (*first.candidates, *second.candidates)}
    assert sides(by_id[row.candidate] for row in chosen.selected) == {True: 2, False: 4}


def test_mined_rows_stand_in_for_none_of_the_other_side() -> None:
    plain, _ = run(params(task=FREE, rows_per_round=15), given(replace(PLAN, contrast="")))
    mined = Generated(tuple(replace(c, operator=MINED, attempt=0) for c in plain.candidates))
    output, _ = run(params(task=FREE), given(attempts=(judged(mined, 0),)), attempt=1)
    assert sides(output.candidates) == {True: 4}


def test_each_row_is_of_one_kind_and_what_varies_goes_with_every_kind() -> None:
    strategy = replace(PLAN, kinds=KINDS, contrast="")
    output, ctx = run(params(task=FREE), given(strategy))
    assert Counter(c.attributes[KIND] for c in output.candidates) == {"sums": 9, "products": 3}
    assert {"tone", DIFFICULTY, KIND} == {*output.candidates[0].attributes}
    prompt = "\n".join(ctx.prompts)
    assert "- sums: Two numbers are added.\n" in prompt
    assert prompt.count(', of the kind "products"') == 3
    assert "; kind:" not in prompt, "it is no wish"


def test_rows_of_the_other_side_are_of_no_kind() -> None:
    output, _ = run(params(task=FREE), given(replace(PLAN, kinds=KINDS)))
    assert all((KIND in c.attributes) != (SIDE in c.attributes) for c in output.candidates)


def test_a_kind_may_be_for_the_rows_of_some_labels() -> None:
    kinds = ({**KINDS[0], "labels": [LATE]}, {**KINDS[1], "labels": [BROKEN]})
    output, _ = run(params(), inputs(strategy=Drafted((replace(STRATEGY, kinds=kinds),))))
    found = {(c.target, c.attributes.get(KIND)) for c in output.candidates}
    assert {(LATE, "sums"), (BROKEN, "products")} <= found
    assert {kind for target, kind in found if target not in (LATE, BROKEN)} <= {None}


def test_a_row_of_the_other_side_is_held_to_nothing_else_of_the_plan() -> None:
    def candidate(name: str, **attributes: str) -> Candidate:
        row = {"text": f"row {name}"}
        return Candidate(name, "t", "p", "s", "new", 1, row, "3", "", "", "", attributes=attributes)

    ctx = ScriptedContext(
        lambda *_: {"rows": [{"id": f"r{i}", "adherence": 3} for i in (1, 2)]}, pack="standard"
    )
    rows = [candidate("one", kind="sums"), candidate("two", side=CONTRAST)]
    found, _ = adherences(
        FREE, reply_schema_of("adherence", "standard"), 4, rows, PATTERNS,
        Drafted((replace(PLAN, kinds=KINDS),)), ctx,
    )  # fmt: skip
    assert {name: one.adherence for name, one in found.items()} == {"one": 3, "two": 3}
    (prompt,) = ctx.prompts
    assert "Kinds of rows:\n- sums: Two numbers are added.\n" in prompt
    assert "products" not in prompt
    assert "Rows for contrast, for which nothing of the above holds: Sums of one number." in prompt
    assert ', of the kind "sums"\n' in prompt
    assert ", for contrast\n" in prompt


def test_a_text_of_these_in_which_an_evaluation_row_stands_is_not_told() -> None:
    class Warned(ScriptedContext):
        def warn(self, text: str) -> None:
            pass

    quoting = ({**KINDS[0], "description": "As in: add none of these to those."}, KINDS[1])
    strategy = replace(PLAN, kinds=quoting, contrast="As in: add none of these to those.")
    ctx = Warned(answer, attempt=1)
    output = GENERATE.run(params(task=FREE), given(strategy), ctx)
    assert len(output.candidates) == 12
    assert "add none of these to those" not in "".join(ctx.prompts)
    assert {c.attributes.get(KIND) for c in output.candidates} == {None, "products"}
    assert sides(output.candidates) == {False: 12}
