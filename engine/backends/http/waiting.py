"""The requests that wait to be sent again, and the calls that the budget has reserved."""

from __future__ import annotations

import heapq

from engine.backends.http.outcomes import RequestState
from engine.backends.protocol import Request, Reserve


class WaitingRequests:
    """Requests that wait, the one that is due first at the front."""

    def __init__(self) -> None:
        """Begin with none."""
        self._heap: list[tuple[float, int, RequestState]] = []
        self._number = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def front(self) -> RequestState:
        """The request that is due first."""
        return self._heap[0][2]

    def add(self, state: RequestState, now: float, delay: float) -> None:
        """Let a request wait for `delay` seconds."""
        self._number += 1
        state.waits.begin(now, delay)
        heapq.heappush(self._heap, (state.waits.due, self._number, state))

    def take(self, now: float, server_back: float) -> RequestState | None:
        """Return a request that is due, None where none is; `server_back` is when the last outage ended."""
        if not self._heap or self._heap[0][0] > now:
            return None
        state = heapq.heappop(self._heap)[2]
        state.waits.end(now, server_back)
        return state

    def longest(self, now: float) -> float:
        """Return the seconds that one of them has waited at most."""
        return max((state.waits.so_far(now) for _, _, state in self._heap), default=0.0)

    def clear(self) -> None:
        """Forget them."""
        self._heap.clear()


class Reservations:
    """What the budget allows, asked before each call; a reserved call that came to nothing is not reserved again."""

    def __init__(self, reserve: Reserve) -> None:
        """Take what is asked."""
        self._reserve = reserve
        self._spare = 0

    def take(self, request: Request) -> bool:
        """Return whether one more call may be made."""
        if not self._spare:
            return self._reserve([request])
        self._spare -= 1
        return self.stand()

    def give_back(self) -> None:
        """Keep a reservation for the next call: this one took no tokens."""
        self._spare += 1

    def stand(self) -> bool:
        """Return whether calls that were reserved before may still be made."""
        return self._reserve([])
