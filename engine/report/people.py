"""The facts of people's review, as a report carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.statistics import Reliability

NOTHING_SEEN = Reliability(None, None, None, 0, 0)


@dataclass(frozen=True, slots=True)
class JudgeAgainstPeople:
    """What the run's judge says of answers that people call right or wrong: by that alone, not by its whole verdict."""

    right_passed: int = 0
    right_rejected: int = 0
    wrong_passed: int = 0
    wrong_rejected: int = 0


@dataclass(frozen=True, slots=True)
class People:
    """What people said of the rows of a recipe, in all of its runs."""

    rows: int = 0
    """Of which anybody said something that stands."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """What is settled, by verdict."""
    conflicts: int = 0
    """Rows on which reviewers differ."""
    reviewers: Mapping[str, int] = field(default_factory=dict)
    """Rows of which each said something."""
    agreement: Reliability = NOTHING_SEEN
    judge: JudgeAgainstPeople = field(default_factory=JudgeAgainstPeople)
