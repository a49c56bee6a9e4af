"""The privacy block of a recipe: what leaves the rows before anything is stored or sent."""

from __future__ import annotations

from pydantic import Field

from engine.spec.parts import Spec


class Redaction(Spec):
    """What is replaced in the rows before anything else sees them."""

    pattern: str
    """Regular expression (RE2: no look-around, no back-references); each match is replaced."""
    replacement: str = Field(default="[redacted]", alias="with")
    """The replacement text."""


class Privacy(Spec):
    """What leaves the rows before anything is stored or sent."""

    redact: list[Redaction] = Field(default_factory=list)
    """In order, in the inputs and all other columns of every row; the target, being the answer, stays."""
