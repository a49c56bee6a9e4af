"""What people's verdicts do: to candidates in `select`, to the data's own rows in `mend`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.plan.building.reviews import Outcome, Reviews
from engine.rows import Candidate, Reviewed
from engine.spec.recipe import LeakLimits
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.load import example_id
from engine.stages.outputs import Loaded, NamedPatterns, Scored, SelectedRows
from engine.stages.reviewing.mend import MEND, MendInputs, MendParams
from engine.stages.reviewing.verdicts import PersonVerdict
from tests.stages.augment.test_select import LARGE, attempt, by_number, candidate
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import BROKEN, LATE, TRAIN, adds_up, example, task_view

AT = datetime.fromisoformat("2026-01-02T03:04:05")
TEST = replace(example("where is my parcel with the blue lamp", LATE), split="test")


def of(row: Candidate, verdict: str, **changes: object) -> PersonVerdict:
    return PersonVerdict(id=example_id(row.inputs, row.target), verdict=verdict, **changes)  # type: ignore[arg-type]


def select(
    rows: Sequence[Candidate],
    reviews: Sequence[PersonVerdict],
    rejected: Sequence[Candidate] = (),
    wanted: int = 4,
) -> SelectedRows:
    params = SelectParams(
        task=task_view(), rows_per_round=wanted, coverage=0.0, reviews=tuple(reviews), guard=LeakLimits()
    )  # fmt: skip
    inputs = SelectInputs(
        load=Loaded((*TRAIN, TEST)),
        score=Scored(),
        name=NamedPatterns((LARGE,)),
        attempts=(attempt(1, rows, rejected=rejected),),
    )
    output = SELECT.run(params, inputs, ScriptedContext(embed=by_number))
    adds_up(SELECT, params, inputs, output)
    return output


def texts(output: SelectedRows) -> list[str]:
    return [e.inputs["text"] for e in output.examples]


def test_a_rejected_row_is_left_out_and_an_accepted_one_joins_whatever_the_judge_said() -> None:
    good, bad, saved = candidate("row 10"), candidate("row 20"), candidate("row 30")
    output = select([good, bad], [of(bad, "reject"), of(saved, "accept")], [saved])
    assert texts(output) == ["row 10", "row 30"]
    assert [(d.item, d.reason) for d in output.drops] == [("c row 20", "person")]
    told = {r.item: (r.verdict, r.example is None) for r in output.of(Reviewed)}
    assert told == {"c row 20": ("reject", True), "c row 30": ("accept", False)}


def test_rows_that_people_accept_come_first_where_there_are_too_many() -> None:
    rows = [candidate(f"row {n}0") for n in range(6)]
    output = select(rows, [of(rows[5], "accept"), of(rows[4], "accept")], wanted=2)
    assert texts(output) == ["row 40", "row 50"]


def test_a_changed_row_joins_as_it_was_changed() -> None:
    row = candidate("row 10")
    changed = of(row, "edit", inputs={"text": "another row 11"}, target=BROKEN)
    output = select([row], [changed])
    assert [(e.inputs["text"], e.target) for e in output.examples] == [("another row 11", BROKEN)]
    assert output.examples[0].id == example_id({"text": "another row 11"}, BROKEN)


def test_of_two_rows_that_are_the_same_the_one_joins_that_people_let_in() -> None:
    first, changed, last = candidate("row 10"), candidate("row 20"), candidate("row 30")
    output = select([first, changed, last], [of(changed, "edit", inputs={"text": "row 10"})])
    assert [row.candidate for row in output.selected] == ["c row 20", "c row 30"]
    assert texts(output) == ["row 10", "row 30"]
    assert [(d.item, d.reason) for d in output.drops] == [("c row 10", "duplicate")]


def test_a_change_that_gives_away_an_evaluation_row_is_refused() -> None:
    row = candidate("row 10")
    changed = of(row, "edit", inputs=dict(TEST.inputs), target=LATE)
    output = select([row, candidate("row 20")], [changed])
    assert texts(output) == ["row 20"]
    assert [d.reason for d in output.drops] == ["leak"]
    assert "evaluation" in output.of(Reviewed)[0].refused


def test_training_rows_are_mended_in_their_places_and_evaluation_rows_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = TRAIN[:3]
    other = BROKEN if first.target == LATE else LATE
    reviews = (
        PersonVerdict(id=first.id, verdict="relabel", inputs=dict(first.inputs), target=other),
        PersonVerdict(id=second.id, verdict="reject"),
        PersonVerdict(id=TEST.id, verdict="reject"),
        PersonVerdict(id=third.id, verdict="edit", inputs=dict(TEST.inputs), target=third.target),
    )
    params = MendParams(task=task_view(), guard=LeakLimits(), reviews=reviews)
    inputs = MendInputs(Loaded((*TRAIN, TEST)))
    ctx = ScriptedContext(embed=by_number)
    warned: list[str] = []
    monkeypatch.setattr(ctx, "warn", warned.append)
    output = MEND.run(params, inputs, ctx)
    adds_up(MEND, params, inputs, output)
    assert output.train[0].inputs == first.inputs
    assert (output.train[0].target, output.train[0].references) == (other, (other,))
    assert second.id not in {e.id for e in output.train}
    assert third in output.train
    assert output.evaluation == [TEST]
    assert warned == ["1 changed training row stays as it was: it resembles evaluation rows"]
    assert [r.refused != "" for r in output.of(Reviewed)] == [False, False, True]


def outcome(
    name: str, second: int, places: tuple[tuple[int, int], ...], *, changes: bool, run: str = "r1"
) -> Outcome:
    made = AT + timedelta(seconds=second)
    return Outcome(name, "candidate", "accept", None, None, places, changes, made, run)


def test_verdicts_go_to_their_round_and_those_after_it_and_only_where_something_changes() -> None:
    reviews = Reviews(
        [
            outcome("confirms", 1, ((0, 0),), changes=False),
            outcome("decides", 2, ((0, 1),), changes=True),
            outcome("confirms in the same sitting", 3, ((0, 0),), changes=False),
            outcome("confirms what came of it", 4, ((0, 0),), changes=False, run="r2"),
        ]
    )
    sitting = ["confirms", "confirms in the same sitting", "decides"]
    assert reviews.candidates(0, 0) == ()
    assert [v.id for v in reviews.candidates(0, 1)] == sitting
    assert [v.id for v in reviews.candidates(0, 2)] == sitting
    assert reviews.candidates(1, 1) == ()
    assert reviews.training() == ()
