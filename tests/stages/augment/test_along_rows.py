"""Rows planned along training rows: as many from each, or one from each that the student gets wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.operators.folder import read_operator
from engine.rows import Candidate, Example, Failure, Verdict
from engine.spec.method import Planning
from engine.spec.recipe import OperatorSpec
from engine.stages.augment.calls import UsedOperator
from engine.stages.augment.planning import (
    COVERAGE,
    History,
    RowPlan,
    Slot,
    Sources,
    missing,
    quotas,
)
from engine.stages.augment.select import SELECT, SelectInputs, SelectParams
from engine.stages.outputs import Attempt, Generated, Judged, Loaded, Scored
from engine.stages.task_view import TaskView
from tests.operators.writing import OPERATOR, write_operator
from tests.stages.augment.test_generate import OPERATORS, inputs, params, run, used
from tests.stages.augment.test_select import by_number
from tests.stages.scripted_context import ScriptedContext
from tests.stages.views import view

TRAIN = [Example(f"e{i}", "train", {"text": f"row {i}"}, "ab"[i % 2], {}, "f", i) for i in range(4)]
VALIDATION = Example("v0", "validation", {"text": "other"}, "a", {}, "f", 0)
TASK: TaskView = view("classification")
WRONG = Scored(
    (
        Failure("e1", "train", "a", "b", "accuracy < 1"),
        Failure("e3", "train", "a", "b", "accuracy < 1"),
        Failure("v0", "validation", "b", "a", "accuracy < 1"),
    )
)


def planned(
    along: Planning, wanted: int, each: int | None = None, score: Scored = WRONG
) -> dict[str, int]:
    plan = RowPlan(task=TASK, rows_per_round=wanted, coverage=0.2, along=along, each=each)
    sources = Sources(Loaded((*TRAIN, VALIDATION)), score, None, None, None)
    found = quotas(plan, sources, [0, 0])
    assert set(found) <= {COVERAGE}
    slots = found.get(COVERAGE, {})
    assert all(slot == Slot(None, None, row=slot.row) for slot in slots)
    return {str(slot.row): count for slot, count in slots.items()}


def test_every_training_row_gives_as_many_and_some_one_more() -> None:
    assert planned("rows", 8) == {"e0": 2, "e1": 2, "e2": 2, "e3": 2}
    assert sorted(planned("rows", 6).values()) == [1, 1, 2, 2]
    assert sum(planned("rows", 3).values()) == 3
    assert planned("rows", 40, each=6) == {"e0": 6, "e1": 6, "e2": 6, "e3": 6}


def test_of_wrong_rows_only_those_of_train_count() -> None:
    assert planned("wrong rows", 40, each=1) == {"e1": 1, "e3": 1}
    assert planned("wrong rows", 1, each=1).keys() < {"e1", "e3"}
    assert planned("wrong rows", 40, score=Scored()) == {}


def test_rows_of_one_training_row_stand_in_for_those_of_no_other() -> None:
    plan = RowPlan(task=TASK, rows_per_round=2, coverage=0.2, along="rows")
    rows = [
        Candidate(f"c{i}", "e0", COVERAGE, "s", "p", 1, {"text": f"new {i}"}, "a", "", "", "")
        for i in range(2)
    ]
    done = Attempt(1, Generated(tuple(rows)), Judged(tuple(accepted(row) for row in rows)))
    wanted = {COVERAGE: {Slot(None, None, row="e0"): 1, Slot(None, None, row="e1"): 1}}
    assert missing(wanted, History(plan, [done])) == {COVERAGE: {Slot(None, None, row="e1"): 1}}


def accepted(row: Candidate) -> Verdict:
    return Verdict(row.id, True, "accepted", "", "", None, None, None, None, None, None, None)


def test_an_operator_for_failing_rows_gets_no_others_also_along_rows(tmp_path: Path) -> None:
    folder = write_operator(tmp_path, OPERATOR + "seeds: failing\n")
    own = UsedOperator.of(
        read_operator(folder, own=True), OperatorSpec(name="shorten"), "small", None
    )
    given = inputs(load=Loaded(tuple(TRAIN)), score=WRONG, name=None, strategy=None, cluster=None)
    output, _ = run(params(own, task=TASK, along="rows", rows_per_round=4, each=1), given)
    assert {c.parent for c in output.candidates} == {"e1", "e3"}
    assert {d.item: d.reason for d in output.drops} == {"e0": "no_seed", "e2": "no_seed"}
    both, _ = run(
        params(own, used("paraphrase"), task=TASK, along="rows", rows_per_round=4, each=1), given
    )
    assert {c.parent for c in both.candidates} == {"e0", "e1", "e2", "e3"}


class Counted(str):
    """An id that counts how often it is held against another, or looked up."""

    __slots__ = ()
    times = 0

    def __eq__(self, other: object) -> bool:
        Counted.times += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        Counted.times += 1
        return str.__hash__(self)


def test_rows_are_looked_up_and_not_looked_for() -> None:
    """Each row was held against every other: 10,000 wrong rows took minutes to plan."""
    count = 300
    train = [
        replace(TRAIN[i % 4], id=Counted(f"e{i}"), inputs={"text": f"another row {i}"})
        for i in range(count)
    ]
    wrong = tuple(Failure(row.id, "train", None, row.target, "accuracy < 1") for row in train)
    given = inputs(
        load=Loaded(tuple(train)), score=Scored(wrong), name=None, strategy=None, cluster=None
    )
    plan = {"task": TASK, "along": "wrong rows", "rows_per_round": count}
    typos = UsedOperator.of(OPERATORS["typos"], OperatorSpec(name="typos"), "small", None)
    Counted.times = 0
    made = [
        Candidate(f"c{i}", Counted(row.id), COVERAGE, "s", "o", 1, {"text": f"new {i}"}, "a", "", "", "")
        for i, row in enumerate(train)
    ]  # fmt: skip
    good = [
        Verdict(c.id, True, "accepted", "", "", None, None, None, None, None, None, None)
        for c in made
    ]
    output, _ = run(params(typos, **plan), given)
    assert len(output.candidates) == count
    selected = SELECT.run(
        SelectParams(task=TASK, along="wrong rows", rows_per_round=count, coverage=0.0, diverse=False),
        SelectInputs(given.load, given.score, (Attempt(1, Generated(tuple(made)), Judged(tuple(good))),)),
        ScriptedContext(embed=by_number),
    )  # fmt: skip
    assert len(selected.examples) == count
    assert Counted.times < 80 * count
