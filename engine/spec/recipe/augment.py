"""The augment block of a recipe: how many rows are generated, by which operators, and what is mined."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from engine.bounds import Count, Whole
from engine.spec.parts import Spec


class OperatorSpec(Spec):
    """One way of making rows (`pada list operators`)."""

    name: str
    """Which operator (`pada list operators`)."""
    params: dict[str, Any] = Field(default_factory=dict)
    """The operator's own parameters."""
    patterns: list[str] | None = None
    """Only for patterns of these taxonomy categories; for all when left out."""
    share: float | None = Field(default=None, gt=0)
    """Its part of the rows, relative to the other operators, where a pattern's strategy says nothing; what its own file
    says when left out."""


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
    """How often teacher or judge are asked for each row's answer."""
    agreement: float = Field(default=1.0, gt=0.5, le=1)
    """Least share of these answers that must be the same."""
    rows: Count | None = Field(default=None, ge=1)
    """Most mined rows that are asked for in a round; `rows_per_round` when left out."""
    shortlist: int = Field(default=2000, ge=10, le=50_000)
    """Rows of the pool, the most promising ones, among which is chosen; all are looked at, few at a time."""

    @field_validator("by")
    @classmethod
    def _by_differ(cls, by: list[MineBy]) -> list[MineBy]:
        if len(by) != len(set(by)):
            raise ValueError("name each of pattern, uncertain and diverse once at most")
        return by


def _bound(value: int | float) -> int | float:
    if value < 0 or (isinstance(value, float) and not 0 < value < 1):
        raise ValueError(
            "write rows as a whole number, or a share of rows_per_round between 0 and 1"
        )
    return value


Bound = Annotated[Count | float, AfterValidator(_bound)]
"""Rows (a whole number), or a share of `rows_per_round` (below 1)."""


class Quota(Spec):
    """How many of a round's new rows may, and how many must be of one label, answer or group."""

    by: Literal["label", "answer"] | None = None
    """What rows are counted by. label: each label of the task; answer: each target as it is written."""
    sql: str | None = Field(default=None, min_length=1)
    """Instead of `by`: an expression over a row's columns (inputs, `target`), each value of which is a group."""
    of: list[bool | Whole | float | str] = Field(default_factory=list)
    """The labels, answers or values of `sql` that it is for; each of them when left out."""
    at_least: Bound | None = None
    """Rows, or a share of `rows_per_round`, that must be of each: they are asked for and join before others."""
    at_most: Bound | None = None
    """Rows, or a share of `rows_per_round`, that may be of each."""

    @model_validator(mode="after")
    def _one_of_each(self) -> Quota:
        if (self.by is None) == (self.sql is None):
            raise ValueError("write `by: label`, `by: answer`, or `sql` with an expression")
        if self.at_least is None and self.at_most is None:
            raise ValueError("write at_least, at_most, or both")
        return self


class Augment(Spec):
    """What is generated, and what is mined."""

    rows_per_round: Count = Field(default=120, ge=1)
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
    quotas: list[Quota] = Field(default_factory=list)
    """Bounds on a round's new rows of one label, answer or group; none when left out."""
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
            raise ValueError(
                "name operators: `operators: [{name: new_situation}]`,"
                " or mine rows from a pool: `mine: {by: [pattern]}`"
            )
        return self
