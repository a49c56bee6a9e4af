"""Rows planned along training rows: as many from each, or one from each that the student gets wrong."""

from __future__ import annotations

from engine.rows import Example, Failure
from engine.stages.augment.planning import COVERAGE, Along, RowPlan, Slot, Sources, quotas
from engine.stages.outputs import Loaded, Scored
from engine.stages.task_view import TaskView
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
    along: Along, wanted: int, each: int | None = None, score: Scored = WRONG
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
