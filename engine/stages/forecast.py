"""How much a stage will ask for, as ranges, because failures are not known before evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Range(NamedTuple):
    """A smallest and a largest value."""

    low: float
    high: float

    def __add__(self, other: object) -> Range:
        if not isinstance(other, Range):
            return NotImplemented
        return Range(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float) -> Range:
        """Scale both ends."""
        return Range(self.low * low, self.high * high)

    def at_most(self, most: float) -> Range:
        """Return the range with both ends cut at `most`."""
        return Range(min(self.low, most), min(self.high, most))


class Situation(NamedTuple):
    """What is known when a node's calls are estimated."""

    rows: Mapping[str, int]
    """Rows per split."""
    failures: Range
    """Validation failures of the evaluation that the node looks at."""
    patterns: Range
    """Patterns that will be found among them."""
    attempt: int
    """The generation attempt, from 1; 0 where there is none."""
    row_tokens: float
    """Tokens of a row's inputs, on the mean."""
    in_calls: bool
    """Whether the student is asked in calls, as one behind a server is."""
    candidates: Range = Range(0, 0)
    """Rows that the node before this one writes."""
    again: bool = False
    """Whether an earlier round, seed or student is asked about the same rows before."""

    @property
    def every_row(self) -> int:
        """Rows of all splits."""
        return sum(self.rows.values())

    def new(self, calls: Range) -> Range:
        """Return how many of these calls are really made: what was asked before, word for word, is not asked again."""
        return Range(0, calls.high) if self.again else calls


class Forecast(NamedTuple):
    """What a node will ask for."""

    calls: Range
    rows_shown: Range = Range(0, 0)
    """Rows of the data that one prompt shows."""
    reply_tokens: Range = Range(0, 0)
    """Tokens of one reply."""
    more_characters: int = 0
    """Of one prompt, besides its text and the rows in it: the list of labels, say."""
    rows_written: Range = Range(0, 0)
    """Rows that come back in all."""


JSON_TOKENS = 12
"""What keys and quotes add to a row in a reply."""
ANSWER_TOKENS = Range(1, 16)
"""What a student behind a server writes for one row."""
