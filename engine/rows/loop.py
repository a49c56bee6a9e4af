"""The records of the loop: students that were trained, whether another round follows, and what was left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.rows.reasons import DropReason
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
    interim: bool = False
    """Whether preference tuning goes on from it: no student of its round, but the first part of one."""


@dataclass(frozen=True, slots=True)
class Drop(Row):
    """Something left out: which stage, what (`item` is its id, if it has one), why."""

    table: ClassVar[str] = "drop"
    stage: str
    item: str
    reason: DropReason
    detail: str


@dataclass(frozen=True, slots=True)
class RegressionSuite(Row):
    """The validation rows that round 0 has right, after a later fine-tune: what broke, also by the control."""

    table: ClassVar[str] = "regression_suite"
    n: int
    """Rows of the suite."""
    broken: int
    """Of these, wrong now; `control_broken`: with the control, None without one."""
    control_broken: int | None
    steady: int | None
    """Rows of the suite that the control has right too; `steady_broken`: of these, wrong now."""
    steady_broken: int | None
    difference: float | None
    """Share of the suite that is wrong now minus the share that is with the control, with its 95 % interval; None
    without a control, and under 20 rows."""
    low: float | None
    high: float | None
    p: float | None
    """McNemar's p-value of it."""
    patterns: tuple[str, ...]
    """Patterns that regressed."""
    regressed: bool
    """Whether more of the suite is broken than by the control, beyond chance, or a pattern has regressed."""
    detail: str
    """In words."""
    logged: int | None = None
    """Logged rows that round 0 has right; None without a log whose right answers are known."""
    logged_broken: int | None = None
    """Of these, wrong now; `logged_control_broken`: with the control, None without one."""
    logged_control_broken: int | None = None


@dataclass(frozen=True, slots=True)
class Regression(Row):
    """One validation row that round 0 has right, and that fails now or with the control."""

    table: ClassVar[str] = "regression"
    example: str
    fails: bool
    control_fails: bool | None
    """None without a control."""
    pattern: str | None
    """That it falls under, of any earlier round; the first by id where there are several."""


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
    rolled_back: bool = False
    """Whether the round broke too much: the loop goes back to `best_round`, and rows that came since are kept out."""
