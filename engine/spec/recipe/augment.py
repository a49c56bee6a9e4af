"""The augment block of a recipe: how many rows are generated, by which operators, and what is mined."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from engine.spec.parts import Spec


class OperatorSpec(Spec):
    """One way of making rows (`pada list operators`)."""

    name: str
    params: dict[str, Any] = Field(default_factory=dict)
    """The operator's own parameters."""
    patterns: list[str] | None = None
    """Only for patterns of these taxonomy categories; for all when left out."""
    share: float | None = Field(default=None, gt=0)
    """Its part of the rows, relative to the others, where a pattern's strategy says nothing; its own when left out."""


MineBy = Literal["pattern", "uncertain", "diverse"]
LabelBy = Literal["neighbours", "teacher", "judge", "column"]


class Mine(Spec):
    """Rows are taken from the recipe's pool (`data.pool`) before any are written; operators write what is missing."""

    by: list[MineBy] = Field(default=["pattern", "diverse"])
    """What rows are chosen by: pattern: likeness to what failed and to its diagnoses; uncertain: how unsure the student
    is of its answer, which it is asked for; diverse: unlikeness to one another. None: at random. Without pattern, and
    with operators, rows are mined for `coverage` alone."""
    label: LabelBy = "neighbours"
    """Who says what is right. neighbours: a classifier on embeddings of the training rows, where it is sure; teacher,
    judge: several answers, which must agree; column: the target's column of the pool, and rows without it wait."""
    sure: float = Field(default=0.6, ge=0, lt=1)
    """Least probability that a label by neighbours is right, as training rows left out of the classifier show it."""
    samples: int = Field(default=3, ge=2, le=20)
    """Answers of teacher or judge per row."""
    agreement: float = Field(default=1.0, gt=0.5, le=1)
    """Share of these answers that must be the same."""
    rows: int | None = Field(default=None, ge=1)
    """Most mined rows that are asked for in a round; `rows_per_round` when left out."""
    shortlist: int = Field(default=2000, ge=10, le=50_000)
    """Rows of the pool, the most promising ones, among which is chosen; all are looked at, few at a time."""

    @field_validator("by")
    @classmethod
    def _by_differ(cls, by: list[MineBy]) -> list[MineBy]:
        if len(by) != len(set(by)):
            raise ValueError("name each of pattern, uncertain and diverse once at most")
        return by


class Augment(Spec):
    """What is generated, and what is mined."""

    rows_per_round: int = Field(default=120, ge=1)
    """Most generated rows that join the training set in one round."""
    oversample: float | None = Field(default=None, ge=1, le=10)
    """Candidates asked for per row wanted, in the first attempt; the teacher's pack's when left out.

    Later attempts go by what was accepted, up to as many.
    """
    coverage: float = Field(default=0.2, ge=0, lt=1)
    """Share of the rows for what does not fail: labels with the fewest rows, or else training rows at large."""
    shares: Literal["evidence", "uniform"] | dict[str, float] = "evidence"
    """How rows are shared out among patterns. evidence: by size, by how far its test confirms it, by how much of it
    still fails, and less where rows did not pay; uniform: alike; or a share for each pattern that is named, by id, name
    or category: what they leave of 1 goes to the others by evidence."""
    temperature: float = Field(default=0.9, ge=0, le=2)
    """Sampling temperature of the operators; everything else the teacher writes is greedy."""
    operators: list[OperatorSpec] = Field(default_factory=list)
    """What writes rows; none where all are mined."""
    operator_folders: list[str] = Field(default_factory=list)
    """Further folders of operators, relative to the recipe, such as those of another recipe: `../other/operators`."""
    mine: Mine | None = None
    """Rows that are taken from the pool; left out, none are."""

    @field_validator("shares")
    @classmethod
    def _shares_are_parts(cls, shares: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(shares, str):
            return shares
        if not shares or min(shares.values()) < 0 or sum(shares.values()) > 1 + 1e-9:
            raise ValueError("shares are not negative, and sum to 1 at most")
        if sum(shares.values()) <= 0:
            raise ValueError("all shares are 0: leave patterns out with patterns.exclude")
        return shares

    @model_validator(mode="after")
    def _rows_come_from_somewhere(self) -> Augment:
        if not self.operators and self.mine is None:
            raise ValueError("name operators, or mine rows from a pool: `mine: {by: [pattern]}`")
        return self
