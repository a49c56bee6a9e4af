"""The records of the loop: students that were trained, whether another round follows, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.rows.row import Row


@dataclass(frozen=True, slots=True)
class Model(Row):
    """One trained student: the adapter's place, the digest of its weights and of its training data."""

    table: ClassVar[str] = "model"
    path: str
    """Relative to the project's state folder (`.pada`)."""
    weights: str
    """SHA-256 of the adapter's weights."""
    data: str
    """Hash over the ids of the training rows, in order."""
    rows: int
    steps: int
    epochs: float
    train_loss: float | None
    validation_loss: float | None
    chosen_step: int
    """The step whose checkpoint was kept (`checkpoint: best` may keep an earlier one)."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Drop(Row):
    """Something left out: which stage, what (`item` is its id, if it has one), why."""

    table: ClassVar[str] = "drop"
    stage: str
    item: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decision(Row):
    """Whether another round follows, and why."""

    table: ClassVar[str] = "decision"
    go_on: bool
    reason: str
    metric: str
    value: float | None
    best_round: int
    """The round whose student is the best on validation so far."""
