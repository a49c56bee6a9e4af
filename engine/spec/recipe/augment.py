"""The augment block of a recipe: how many rows are generated, and by which operators."""

from __future__ import annotations

from typing import Any

from pydantic import Field

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
    temperature: float = Field(default=0.9, ge=0, le=2)
    """Sampling temperature of the operators; everything else the teacher writes is greedy."""
    operators: list[OperatorSpec] = Field(min_length=1)
