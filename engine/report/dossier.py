"""Everything that is known of one failure pattern of one run, as plain facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.report.evidence import PatternFacts

POINTS = 1000
"""Most diagnoses of a map."""


@dataclass(frozen=True, slots=True)
class LifeRound:
    """A pattern in one round, as the view `pattern_life` has it."""

    round: int
    life: str
    found: int | None
    """Failures that this round's clustering put into it; None where the round did not find it."""
    split_from: str | None
    merged: tuple[str, ...]
    rows: int | None
    """Validation rows that fall under it; of these `failed` when it was found, and `failing` in this round."""
    failed: int | None
    failing: int | None
    control_failing: int | None
    rate: float | None
    """Share of the rows that fails, with its 95 % interval; None under 20 rows."""
    rate_low: float | None
    rate_high: float | None
    part_of: str | None = None
    """The cluster of this round that its namer split, and of which it is a part; `beside`: names of the other parts."""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One failure of a pattern, as it was when it was first counted to it."""

    round: int
    example: str
    inputs: Mapping[str, str]
    target: str
    answer: str | None
    root_cause: str
    scenario: str
    fails: bool
    """Whether it fails in the latest scored round."""


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """One row written against a pattern, with what was decided about it."""

    round: int
    attempt: int
    candidate: str
    operator: str
    inputs: Mapping[str, str]
    target: str
    outcome: str
    """trained on | accepted | rejected | no verdict"""
    reason: str
    """Why it joined no training set; empty where it did."""
    detail: str


@dataclass(frozen=True, slots=True)
class PriceItem:
    """What one kind of call took; a call for several rows or patterns is split evenly among these."""

    what: str
    """diagnosing, naming, testing, drafting (strategies), generating, verifying (blind answers) or judging"""
    calls: int
    """Calls that had a part in it."""
    tokens: float
    unmetered: int
    """Of the calls, those whose tokens are not known: `tokens` lacks them."""
    cost: float | None
    """Money for the calls whose cost is known; None where none is."""
    unpriced: int
    """Calls of unknown price: `cost` lacks them."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a pattern took in calls, whichever run of the store made them."""

    items: tuple[PriceItem, ...] = ()

    @property
    def tokens(self) -> float:
        """Tokens of all its calls."""
        return sum(item.tokens for item in self.items)

    @property
    def unmetered(self) -> int:
        """Calls whose tokens are not known."""
        return sum(item.unmetered for item in self.items)

    @property
    def unpriced(self) -> int:
        """Calls whose price is not known."""
        return sum(item.unpriced for item in self.items)

    @property
    def cost(self) -> float | None:
        """Money for the calls whose cost is known; None where none is."""
        known = [item.cost for item in self.items if item.cost is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Tally:
    """A pattern with its price: one line of a table of patterns."""

    facts: PatternFacts
    price: Price


@dataclass(frozen=True, slots=True)
class Tried:
    """The numbers of a pattern's latest test; shares with their 95 % intervals, None where it is untested."""

    asked: int
    failed: int
    failed_under: int
    passed: int
    passed_under: int
    precision: tuple[float, float, float] | None
    recall: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """One pattern of one seed, whole; members and rows may be a part of all there are."""

    tally: Tally
    includes: tuple[str, ...]
    excludes: tuple[str, ...]
    tried: Tried | None
    """None where it was not tested."""
    life: tuple[LifeRound, ...]
    """In order of rounds."""
    members: tuple[MemberRow, ...]
    members_total: int
    written: tuple[WrittenRow, ...]
    written_total: int
    rejected: tuple[tuple[str, int], ...]
    """Why rows joined no training set, most frequent first."""

    @property
    def facts(self) -> PatternFacts:
        """What the report's table says of it."""
        return self.tally.facts


@dataclass(frozen=True, slots=True)
class DiagnosisPoint:
    """One diagnosed failure on the plane of the two directions in which the diagnoses of its seed differ most."""

    x: float
    y: float
    seed: int
    round: int
    pattern: str
    """Name of its pattern; empty for one in none."""
    root_cause: str
    scenario: str
    example: str = ""
    """The failed row; `pattern_id`: the pattern's id, empty as the name is."""
    pattern_id: str = ""
