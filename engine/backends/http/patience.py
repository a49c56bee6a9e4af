"""How long a request waits before it is sent again, and how long it may wait in all.

Every wait counts, whatever its reason: what the server asked for, back-off after a fault, an outage. Time in flight
does not: that is bounded by `timeout_s`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

BACKOFF = 0.5
"""Seconds before the first repetition after a fault of the server; doubled each time."""
LONGEST_BACKOFF = 20.0
CHECK_EVERY = 1.0
"""Seconds between two looks at the budget while something waits."""


def backoff(times: int) -> float:
    """Return the seconds before repetition number `times`, from 1; with jitter, so that many do not come at once."""
    longest: float = min(LONGEST_BACKOFF, BACKOFF * 2 ** min(max(0, times - 1), 32))
    return longest * random.uniform(0.5, 1.0)


@dataclass(slots=True)
class Waits:
    """The waits of one request, in seconds of a clock that only goes forward."""

    over: float = 0.0
    """Seconds of the waits that are over."""
    first: float | None = None
    """When the first one began."""
    began: float = 0.0
    """When the present one began."""
    due: float = 0.0
    """When the present one ends."""

    def begin(self, now: float, delay: float) -> None:
        """Begin to wait."""
        self.first = now if self.first is None else self.first
        self.began, self.due = now, now + delay

    def so_far(self, now: float) -> float:
        """Return the seconds of all waits, the present one included."""
        return self.over + now - self.began

    def end(self, now: float, server_back: float) -> None:
        """End the present wait: the request is sent again.

        What it waited beyond its time counts until the server was back from an outage; after that it waited for a
        place among the requests in flight, for which no server is to blame.
        """
        self.over += max(0.0, min(now, max(self.due, server_back)) - self.began)
