"""What a run may still spend: asked before every request, so that a budget stops before it is passed.

Asked again by whoever waits to send a request once more, so that time runs out for those that wait as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

from engine.backends.protocol import Completion, Request
from engine.spec.recipe import Budget
from engine.store import Spent

CHARACTERS_PER_TOKEN = 3.0
"""For the first requests, before any reply: few characters, so that the estimate is rather too high."""


class BudgetTracker:
    """Watches one run's spending.

    Calls, tokens and money count over all runs of the plan, so that a run that goes on does not get a fresh
    budget; minutes count from this run's start. Several models may be asked at once, each in a thread of its own.
    """

    def __init__(self, budget: Budget, spent: Spent) -> None:
        """Take the budget and what earlier runs of the plan spent; the minutes begin now."""
        self._budget = budget
        self._calls, self._tokens, self._cost = spent
        self._started = time.monotonic()
        self.in_flight = 0
        """Requests that were reserved and have no final reply yet."""
        self._most_tokens, self._most_cost = 0, 0.0
        self.exhausted = ""
        """Why nothing new may be sent; empty as long as something may."""
        self._halted = False
        """Whether what is reserved may not be sent, either."""
        self._lock = threading.RLock()

    @property
    def spent(self) -> Spent:
        """What was spent, of all runs of the plan."""
        return Spent(self._calls, self._tokens, self._cost)

    def reserve(self, requests: Sequence[Request]) -> bool:
        """Return whether these may be sent, all of them; if so they count as in flight until they are committed.

        With no requests: whether those that were reserved before may still be sent. That they count already, so only
        time forbids it, and a cost that nobody knows.
        """
        with self._lock:
            if why := self._over_time():
                self.halt(why)
            if not requests:
                return not self._halted
            if not self.exhausted:
                self.exhausted = self._over_calls(len(requests)) or self._over_size(requests)
            if self.exhausted:
                return False
            self.in_flight += len(requests)
            return True

    def commit(self, completions: Iterable[Completion]) -> None:
        """Count replies: they are no longer in flight; another attempt is reserved anew."""
        with self._lock:
            for done in completions:
                self._count(done)

    def _count(self, done: Completion) -> None:
        tokens = done.usage.total
        self._calls += 1
        self._tokens += tokens
        self._cost += done.cost or 0.0
        self._most_tokens = max(self._most_tokens, tokens)
        self._most_cost = max(self._most_cost, done.cost or 0.0)
        unknown = done.error is None and done.usage.prompt_tokens is None
        if self._budget.money is not None and unknown:
            self.halt(
                f"the budget of {self._budget.money:g} cannot be kept: the server does not say how many tokens "
                "a call took, so what it cost is unknown"
            )
        self.in_flight = max(0, self.in_flight - 1)

    def release(self, requests: int) -> None:
        """Forget requests that are in flight: they never will be answered."""
        with self._lock:
            self.in_flight = max(0, self.in_flight - requests)

    def over_time(self) -> bool:
        """Return whether the minutes are over, or the budget is spent in another way."""
        return not self.reserve([]) or bool(self.exhausted)

    def _over_time(self) -> str:
        minutes = self._budget.minutes
        if minutes is None or (time.monotonic() - self._started) / 60 < minutes:
            return ""
        return f"the budget of {minutes:g} minutes is spent"

    def halt(self, why: str) -> None:
        """Let nothing more be sent, from whatever thread: what is in flight is brought home."""
        with self._lock:
            self._halted = True
            self.exhausted = self.exhausted or why

    def _over_calls(self, coming: int) -> str:
        calls = self._budget.calls
        made = self._calls + self.in_flight
        if calls is None or made + coming <= calls:
            return ""
        return f"the next calls would pass the budget of {calls:,} calls ({made:,} made)"

    def _over_size(self, requests: Sequence[Request]) -> str:
        budget = self._budget
        coming = self.in_flight + len(requests)
        if budget.tokens is not None:
            tokens_per_call = self._most_tokens or max(map(_foreseen, requests), default=0)
            if self._tokens + coming * tokens_per_call > budget.tokens:
                return (
                    f"the next calls could pass the budget of {budget.tokens:,} tokens "
                    f"({self._tokens:,} spent, up to {tokens_per_call:,} a call)"
                )
        if budget.money is not None:
            cost = self._most_cost
            if self._cost + coming * cost > budget.money or self._cost >= budget.money:
                return (
                    f"the next calls could pass the budget of {budget.money:g} "
                    f"({self._cost:.4f} spent, up to {cost:.4f} a call)"
                )
        return ""


def _foreseen(request: Request) -> int:
    characters = sum(len(message.content) for message in request.messages)
    return int(characters / CHARACTERS_PER_TOKEN) + request.max_tokens
