"""What people's verdicts do: to candidates in `select`, to the data's own rows in `mend`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine.plan.building.reviews import Outcome, Reviews
from engine.rows import Candidate, QuotaStatus, Reviewed
from engine.spec.recipe import LeakLimits
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.augment.selection.quotas import UsedQuota
from engine.stages.load import example_id
from engine.stages.outputs import Loaded, NamedPatterns, Scored, SelectedRows
from engine.stages.reviewing.mend import MEND, MendInputs, MendParams
from engine.stages.reviewing.verdicts import PersonVerdict
from tests.stages.augment.test_select import LARGE, attempt, by_number, candidate
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import BROKEN, LATE, TRAIN, adds_up, example, task_view

AT = datetime.fromisoformat("2026-01-02T03:04:05")
TEST = replace(example("where is my parcel with the blue lamp", LATE), split="test")
SAYS_WHY = "; the table `reviewed` says why (`refused`)"


def of(row: Candidate, verdict: str, **changes: object) -> PersonVerdict:
    return PersonVerdict(id=example_id(row.inputs, row.target), verdict=verdict, **changes)  # type: ignore[arg-type]


def select(
    rows: Sequence[Candidate],
    reviews: Sequence[PersonVerdict],
    rejected: Sequence[Candidate] = (),
    wanted: int = 4,
    quotas: tuple[UsedQuota, ...] = (),
) -> SelectedRows:
    params = SelectParams(
        task=task_view(), rows_per_round=wanted, coverage=0.0, reviews=tuple(reviews), guard=LeakLimits(),
        quotas=quotas,
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


def test_what_is_no_row_of_the_task_any_more_is_refused() -> None:
    row, let_in = candidate("row 10"), candidate("row 30", target="an old label")
    changed = of(row, "relabel", inputs={"text": "row 10"}, target="an old label")
    output = select([row, candidate("row 20")], [changed, of(let_in, "accept")], [let_in])
    assert texts(output) == ["row 20"]
    assert [(d.item, d.reason) for d in output.drops] == [("c row 10", "malformed")]
    refused = {r.item: r.refused for r in output.of(Reviewed)}
    assert set(refused) == {"c row 10", "c row 30"}
    assert all("'an old label' is not one of" in why for why in refused.values())


def test_where_people_decide_their_word_is_told_and_not_the_judges() -> None:
    good, saved = candidate("row 10"), candidate("row 30", target=BROKEN)
    quota = UsedQuota(by="label", of=(BROKEN, LATE), at_least=2)
    output = select([good], [of(good, "reject"), of(saved, "accept")], [saved], quotas=(quota,))
    found = {s.value: (s.accepted, s.reason) for s in output.of(QuotaStatus)}
    assert found == {
        LATE: (0, "1 written, 0 accepted; rejected: 1 person"),
        BROKEN: (1, "1 written, 1 accepted"),
    }
    nothing = select([good], [of(good, "reject")])
    assert nothing.decision.reason == (
        "no candidate was accepted: 1 generated (1 person); the previous model stays"
    )


def mended(*reviews: PersonVerdict) -> tuple[Loaded, list[str]]:
    params = MendParams(task=task_view(), guard=LeakLimits(), reviews=reviews)
    inputs = MendInputs(Loaded((*TRAIN, TEST)))
    ctx = ScriptedContext(embed=by_number)
    warned: list[str] = []
    ctx.warn = warned.append  # type: ignore[method-assign,assignment]
    output = MEND.run(params, inputs, ctx)
    adds_up(MEND, params, inputs, output)
    return output, warned


def test_a_training_row_that_is_refused_is_told_with_its_reason() -> None:
    first, second = TRAIN[:2]
    old = PersonVerdict(
        id=first.id, verdict="relabel", inputs=dict(first.inputs), target="an old label"
    )
    output, warned = mended(old)
    assert output.train == TRAIN
    assert warned == [f"1 changed training row stays as it was: it is no row of the task{SAYS_WHY}"]
    leaking = PersonVerdict(
        id=second.id, verdict="edit", inputs=dict(TEST.inputs), target=second.target
    )
    _, warned = mended(old, leaking)
    assert warned == [
        "2 changed training rows stay as they were: 1 resembles evaluation rows, 1 is no row of the task"
        + SAYS_WHY
    ]


def test_a_mended_row_can_be_mended_again() -> None:
    first = TRAIN[0]
    texts = {"text": "my box is late 10"}
    once = PersonVerdict(id=first.id, verdict="edit", inputs=texts, target=LATE)
    then = example_id(texts, LATE)
    again = PersonVerdict(id=then, verdict="relabel", inputs=texts, target=BROKEN)
    output, _ = mended(once, again)
    assert (output.train[0].inputs, output.train[0].target) == (texts, BROKEN)
    last = example_id(texts, BROKEN)
    assert [(r.item, r.example) for r in output.of(Reviewed)] == [(first.id, last), (then, last)]
    # What was said of a row that is there no more is said of nothing.
    assert mended(again)[0].train == TRAIN
    gone, _ = mended(once, PersonVerdict(id=then, verdict="reject"))
    assert gone.train == TRAIN[1:]
    assert [(d.item, d.reason) for d in gone.drops] == [(first.id, "person")]
    refused, _ = mended(
        once, PersonVerdict(id=then, verdict="relabel", inputs=texts, target="an old label")
    )
    assert (refused.train[0].id, refused.train[0].target) == (then, LATE)
    back = PersonVerdict(id=then, verdict="edit", inputs=dict(first.inputs), target=BROKEN)
    round_trip = PersonVerdict(
        id=example_id(first.inputs, BROKEN), verdict="edit", inputs=texts, target=LATE
    )
    ended, _ = mended(once, back, round_trip)
    assert ended.train[0].id == then, "each verdict is followed once"


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
    assert warned == [
        f"1 changed training row stays as it was: it resembles evaluation rows{SAYS_WHY}"
    ]
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
