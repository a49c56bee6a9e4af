"""The augment block of a recipe: how many rows are generated, and by which operators."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

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


class Augment(Spec):
    """What is generated."""

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
    operators: list[OperatorSpec] = Field(min_length=1)
    operator_folders: list[str] = Field(default_factory=list)
    """Further folders of operators, relative to the recipe, such as those of another recipe: `../other/operators`."""

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
