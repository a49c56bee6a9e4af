"""The records of mining: what is looked at in a pool, what the student says of it, and what is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from engine.rows.reasons import PoolReason
from engine.rows.row import Row

LabelSource = Literal["writer", "neighbours", "teacher", "judge", "column"]
"""Who said what is right for a row that joins training. writer: who wrote the row (a model, or an operator's rule);
column: a person, in the pool."""


@dataclass(frozen=True, slots=True)
class PoolRow(Row):
    """One row of the pool that is on a round's shortlist. `id` is the hash of its inputs."""

    table: ClassVar[str] = "pool_row"
    id: str
    inputs: Mapping[str, str]
    columns: Mapping[str, Any]
    """The source's other columns, without the target's."""
    target: str
    """The pool's own label; empty where it has none, or where the recipe does not take it for right."""
    guess: str
    """The label that neighbours give it; empty where targets are no labels."""
    second: str
    """The likeliest other one."""
    confidence: float | None
    """Probability that the guess is right, 0 to 1; None without one."""
    parent: str
    """The nearest training row, of those with its label where there are any."""
    pattern: str
    """The pattern that it is most like; empty where no pattern is looked at."""
    likeness: float | None
    """Mean of its cosine similarities to that pattern's nearest failure and to its diagnoses."""
    source: str
    """File name (relative to the recipe) or data-set URI."""
    line: int


@dataclass(frozen=True, slots=True)
class PoolCount(Row):
    """How many rows of the pool were read, or were left out for one reason, in one stage."""

    table: ClassVar[str] = "pool_count"
    stage: str
    reason: PoolReason
    """`read`: all that were looked at; else why rows were left out."""
    rows: int
    detail: str
    """Of the first such row."""


@dataclass(frozen=True, slots=True)
class PoolAnswer(Row):
    """What the student says of one row of the shortlist."""

    table: ClassVar[str] = "pool_answer"
    pool_row: str
    answer: str | None
    confidence: float | None
    """Probability of the answer among the allowed answers, where the way of answering gives one."""


@dataclass(frozen=True, slots=True)
class Mined(Row):
    """One row of the pool that became a candidate, or that waits for somebody to label it."""

    table: ClassVar[str] = "mined"
    pool_row: str
    candidate: str | None
    """None for a row that waits."""
    label_source: LabelSource
    confidence: float | None
    """Probability that the label is right (neighbours), or share of the answers that came to it (teacher, judge)."""
    agrees: bool | None
    """Whether the student's answer is that label; None where it was not asked."""
    source: str
    line: int
