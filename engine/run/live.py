"""The live line of one endpoint: what is in flight, its rates, retries and cost."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable

from engine.backends.protocol import Completion

WINDOW = 10.0
"""Seconds over which rates are taken."""


class Live:
    """Counts the replies of one role in one node."""

    def __init__(self) -> None:
        """Begin now."""
        self._began = time.monotonic()
        self._recent: deque[tuple[float, int, int]] = deque()
        self._retries: Counter[str] = Counter()
        self._cost = 0.0
        self._priced = False

    def add(self, completions: Iterable[Completion]) -> None:
        """Count a group of replies."""
        now = time.monotonic()
        replies = tokens = 0
        for completion in completions:
            replies += 1
            tokens += completion.usage.total
            self._retries.update(exchange.kind for exchange in completion.tries)
            if not completion.final and completion.error:
                self._retries[completion.error] += 1
            if completion.cost is not None:
                self._priced = True
                self._cost += completion.cost
        self._recent.append((now, replies, tokens))
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()

    def line(self, in_flight: int) -> str:
        """Return the line; `in_flight` counts requests that were reserved and have no final reply."""
        span = max(time.monotonic() - max(self._began, time.monotonic() - WINDOW), 1e-3)
        replies = sum(entry[1] for entry in self._recent) / span
        tokens = sum(entry[2] for entry in self._recent) / span
        parts = [f"{in_flight} in flight", f"{replies:,.1f} replies/s", f"{tokens:,.0f} tokens/s"]
        if self._retries:
            kinds = ", ".join(f"{count} {kind}" for kind, count in self._retries.most_common(3))
            parts.append(f"again: {kinds}")
        if self._priced:
            parts.append(f"cost {self._cost:,.4f}")
        return "; ".join(parts)
