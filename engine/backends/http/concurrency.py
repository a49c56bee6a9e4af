"""How many requests are in flight at a server, and when none should be: found by trying, not configured.

The number grows while more of them bring more replies a second, and falls back when they only wait longer
(the server queues) or are refused (429). A server that fails again and again is left alone for a while
(circuit breaker): an outage costs time, not attempts.
"""

from __future__ import annotations

import random
from typing import Literal

FIRST = 4
"""Requests in flight at the start."""
EPOCH = 16
"""Fewest replies between two decisions."""
GAIN = 1.1
"""Growing goes on while it brings at least this much more replies a second."""
HOLD = 8
"""Epochs before growing is tried again after it brought nothing."""
SLOW = 0.5
"""A rate below this part of the usual one means that the server has slowed down."""
REFUSED = 0.2
"""Share of 429 in an epoch that means: too many."""
TRIP = 6
"""Failures of the server in a row, without a reply between them, that open the breaker."""
LONGEST_PAUSE = 15.0
"""Seconds between two health checks of a server that is away."""


class ConcurrencyLimit:
    """The number of requests in flight; `fixed` turns the search off.

    It looks upwards while more bring more, holds what it found for some epochs and looks again; when the server
    slows down to less than half, it looks downwards while fewer bring as much.
    """

    def __init__(self, most: int, fixed: int | None = None) -> None:
        """Start low and grow up to `most`, or stay at `fixed`."""
        self._most, self._fixed = most, fixed is not None
        self.limit = fixed if fixed is not None else min(FIRST, most)
        self._look_up()
        self._begin(0.0)

    def _look_up(self) -> None:
        self._doing: Literal["up", "down", "hold"] = "up"
        self._before: tuple[int, float] | None = None
        self._factor = 2.0
        self._holding = 0
        self._usual: float | None = None

    def _begin(self, now: float) -> None:
        self._since, self._replies, self._refused = now, 0, 0

    def replied(self, now: float) -> None:
        """Count a reply; `now` is in seconds of any clock that only goes forward."""
        self._replies += 1
        if not self._fixed and self._replies + self._refused >= max(EPOCH, 2 * self.limit):
            self._decide(now)

    def refused(self, now: float) -> None:
        """Count a 429."""
        self._refused += 1
        if not self._fixed and self._replies + self._refused >= max(EPOCH, self.limit):
            self._decide(now)

    def resume(self, now: float) -> None:
        """Go on with what was found: a new lot of requests begins."""
        self._begin(now)

    def restart(self, now: float) -> None:
        """Begin low again: the server was away."""
        if not self._fixed:
            self.limit = min(FIRST, self._most)
            self._look_up()
        self._begin(now)

    def _decide(self, now: float) -> None:
        rate = self._replies / max(now - self._since, 1e-6)
        if self._refused > REFUSED * (self._replies + self._refused):
            self._hold(max(1, int(self.limit * 0.7)))
        elif self._doing == "up":
            self._upwards(rate)
        elif self._doing == "down":
            self._downwards(rate)
        else:
            self._keep(rate)
        self._begin(now)

    def _upwards(self, rate: float) -> None:
        if self._before is not None and rate < self._before[1] * GAIN:
            # More in flight brought no more: back to where it was.
            self._hold(self._before[0])
        elif self.limit >= self._most:
            self._hold(self.limit)
        else:
            self._before = (self.limit, rate)
            self.limit = min(self._most, max(self.limit + 1, int(self.limit * self._factor)))

    def _downwards(self, rate: float) -> None:
        if self._before is not None and rate < self._before[1] / GAIN:
            self._hold(self._before[0])
        elif self.limit == 1:
            self._hold(1)
        else:
            self._before = (self.limit, rate)
            self.limit = max(1, self.limit // 2)

    def _keep(self, rate: float) -> None:
        if self._usual is not None and rate < SLOW * self._usual:
            self._doing, self._before = "down", None
            self._downwards(rate)
            return
        self._usual = rate if self._usual is None else 0.8 * self._usual + 0.2 * rate
        self._holding -= 1
        if self._holding <= 0:
            self._doing, self._before = "up", None
            self._upwards(rate)

    def _hold(self, limit: int) -> None:
        self.limit, self._doing, self._holding, self._usual = limit, "hold", HOLD, None
        # The doubling of the start is over: from here on it feels its way.
        self._factor = 1.3


class CircuitBreaker:
    """Open while the server is away: then only a health check at a time asks whether it is back."""

    def __init__(self) -> None:
        """Begin with a server that is there."""
        self._failures = 0
        self.since: float | None = None
        """When the server went away; None while it is there."""
        self.back = 0.0
        """When the last outage ended."""
        self._pause = 1.0
        self.until = 0.0
        """No health check is made before this time."""

    @property
    def open(self) -> bool:
        """Whether the server is taken to be away."""
        return self.since is not None

    def replied(self, now: float) -> bool:
        """Count any answer of a working server; return whether that ended an outage."""
        was_open = self.open
        if was_open:
            self.back = now
        self._failures, self.since, self._pause, self.until = 0, None, 1.0, 0.0
        return was_open

    def failed(self, now: float) -> None:
        """Count a failure of the server: no connection, no answer in time, 5xx."""
        self._failures += 1
        if self._failures < TRIP:
            return
        if self.since is None:
            self.since = now
        if now >= self.until:
            # With jitter, so that many clients do not come back at the same moment.
            self.until = now + self._pause * random.uniform(0.75, 1.25)
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
