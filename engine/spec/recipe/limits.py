"""The limits block of a recipe: how much one step of what it says may take."""

from __future__ import annotations

from pydantic import Field

from engine.spec.parts import Spec


class Limits(Spec):
    """What one step of a recipe's SQL, templates and patterns may take; a run that needs more ends and says where.

    A step is an expression over a batch of rows, the next rows of a query, a prompt. They decide no row.
    """

    seconds: float = Field(default=10, gt=0, le=3600)
    """Seconds of computing that one step may take."""
    memory: float = Field(default=1.5, ge=0.1, le=1000)
    """Gigabytes of memory that one step may take, never more than half of what the machine has."""
    rows: int = Field(default=10_000_000, ge=1, le=1_000_000_000)
    """Most rows that a query may give."""
