"""The requests that nodes wait for, sent together where their nodes do not depend on each other.

Three ways, by backend: weights on this machine answer node by node, so that their batches do not depend on what else
waits; servers are sent the requests of all nodes that are ready, in one conversation at a time with each model, beside
which others work; and what is answered after the run is written to files at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from engine.backends import BACKENDS
from engine.backends.protocol import Deferred, PendingRequest
from engine.errors import RunError
from engine.plan.graph import Node
from engine.plan.resources import RoleModel
from engine.run.asking.asked import Asked
from engine.run.batches import Batch, write_batch
from engine.run.budget import BudgetTracker
from engine.run.driving.talking import Talk, Waiting, Warnings
from engine.run.ledger import Ledger
from engine.run.progress import Reporter
from engine.run.session import Session
from engine.stages import STAGES

AT_ONCE = 1_000
"""Requests whose earlier failures are looked up together."""
NEEDED = 5
"""Requests of one kind that must all fail before the run gives up."""


class BudgetReached(Exception):
    """The next request would pass the recipe's budget."""


When = Literal["now", "in its turn", "with others", "after the run"]
"""When a node has its replies: they are there; it is asked when this machine is free for it; a server is asked; or they
come outside of the run."""


class _Unasked:
    """What nodes wait for that has no reply, each request once and with its failures so far; read from disk."""

    def __init__(self, ledger: Ledger, waiting: Sequence[Waiting]) -> None:
        self._ledger, self._waiting = ledger, waiting

    def _before(self, place: int) -> list[Asked]:
        return [one.asked for one in self._waiting[:place]]

    def __len__(self) -> int:
        return sum(one.asked.lacks(self._before(place)) for place, one in enumerate(self._waiting))

    def __iter__(self) -> Iterator[PendingRequest]:
        for place, (node, asked) in enumerate(self._waiting):
            requests = asked.requests(self._before(place), missing=True)
            while block := list(islice(requests, AT_ONCE)):
                failures = self._ledger.failures(block)
                for request in block:
                    failed = tuple(failures.get(request.id, ()))
                    yield PendingRequest(node.id, asked.role, request, failed)


class Dispatcher:
    """Everything that is asked in calls during one run."""

    def __init__(
        self,
        models: Mapping[str, RoleModel],
        session: Session,
        ledger: Ledger,
        tracker: BudgetTracker,
        reporter: Reporter,
    ) -> None:
        """Take the models by role, what opens them, and where replies and their cost are kept."""
        self._models, self._session = models, session
        self._ledger, self._tracker, self._reporter = ledger, tracker, reporter
        self._held: dict[str, list[Waiting]] = {}
        self._deferred: dict[Deferred, list[Waiting]] = {}
        self._answered: set[str] = set()
        self._lines: set[object] = set()
        """Models with which a conversation goes on."""
        self._warnings = Warnings(reporter)

    def when(self, node: Node, asked: Asked) -> When:
        """Take a node's requests; return when their replies come."""
        role = asked.role
        deferred = self._session.deferred(role)
        if deferred is not None:
            return "now" if self._defer(node, asked, deferred) else "after the run"
        if self.is_local(role):
            return "in its turn"
        self._held.setdefault(role, []).append(Waiting(node, asked))
        return "with others"

    def is_local(self, role: str) -> bool:
        """Return whether the model of a role runs on this machine."""
        return BACKENDS[self._models[role].backend].local

    def next(self, *, first: bool = False) -> Talk | None:
        """Return the next conversation that may begin, with all that its role is to be asked; None where there is none.

        With `first` only one with a role that has answered nothing yet: a wrong key or address must not show up after
        hours of training.
        """
        for role in self._held:
            if (first and role in self._answered) or self._session.line(role) in self._lines:
                continue
            return self.talk(role, self._held.pop(role))
        return None

    def talk(self, role: str, waiting: Sequence[Waiting]) -> Talk:
        """Return a conversation that begins."""
        talk = Talk(role, self._session.line(role), waiting)
        self._lines.add(talk.line)
        return talk

    def asking(self, talk: Talk, post: Callable[[Any], None]) -> Callable[[], None]:
        """Return what has a conversation, in whatever thread."""
        generator = self._session.generator(talk.role)
        return partial(
            talk.run, generator, self._ledger, self._tracker, self._reporter, self._warnings, post
        )

    def answered(self, talk: Talk, requests: Sequence[str]) -> list[Node]:
        """Return the nodes that lack nothing any more.

        Raises:
            RunError: all of an essential stage failed.
        """
        self._answered.add(talk.role)
        return self._go_on(talk.answered(requests))

    def ended(self, talk: Talk) -> list[Node]:
        """Take note that a conversation is over; return the nodes that lack nothing, and were not told of before.

        Raises:
            BudgetReached: the budget does not allow all of it.
            RunError: requests are left without a reply, or all of an essential stage failed.
        """
        self._lines.discard(talk.line)
        left = talk.left()
        if left and self._tracker.exhausted:
            raise BudgetReached(
                f"{self._tracker.exhausted}; {left:,} of {talk.total:,} calls of {talk.label} are left"
            )
        if left:
            raise RunError(
                f"{talk.label}: the {talk.role} left {left} of {talk.total} requests unanswered"
            )
        self._answered.add(talk.role)
        return self._go_on(talk.ended())

    def _go_on(self, ready: Sequence[Waiting]) -> list[Node]:
        for node, asked in ready:
            self._fail_if_all_failed(node, asked)
        return [node for node, _ in ready]

    def _defer(self, node: Node, asked: Asked, deferred: Deferred) -> bool:
        """Keep requests for the file that is written at the end; return True when none is left to ask."""
        waiting = 0
        for pending in _Unasked(self._ledger, [Waiting(node, asked)]):
            if pending.number < deferred.attempts:
                waiting += 1
            else:
                self._ledger.give_up(pending)
        if waiting:
            self._deferred.setdefault(deferred, []).append(Waiting(node, asked))
            self._reporter.say(
                f"{node.name:<28} waits for {_counted(waiting, 'reply', 'replies')} of the {asked.role}"
            )
            return False
        self._fail_if_all_failed(node, asked)
        return True

    def write_batch(self, state: Path, run: str) -> tuple[list[Batch], str]:
        """Write the deferred requests of all nodes that were not asked yet; return the files and a note.

        Raises:
            BudgetReached: the budget does not allow any of them.
            BackendError: the files cannot be written.
        """
        if not self._deferred:
            return [], ""
        asks = {
            backend: _Unasked(self._ledger, waiting) for backend, waiting in self._deferred.items()
        }
        count = sum(map(len, asks.values()))
        batches = write_batch(asks, state, run, self._tracker.reserve)
        left = count - sum(batch.requests for batch in batches)
        if not batches:
            raise BudgetReached(f"{self._tracker.exhausted}; {left:,} calls are left")
        waits = "request waits for its result", "requests wait for their results"
        note = _counted(count - left, *waits)
        if left:
            note += f"; {left:,} more were not written: {self._tracker.exhausted}"
        return batches, note

    def _fail_if_all_failed(self, node: Node, asked: Asked) -> None:
        if (failed := asked.unusable()) is None:
            return
        kinds, first = failed
        what = (
            f"{node.name}: none of {len(asked)} replies of the {asked.role} was usable"
            f" ({', '.join(kinds)})"
        )
        said = f"the first one: {first.detail or first.text[:200]!r}; all are in the table llm_call"
        # Few replies may fail by chance: the run goes on.
        if STAGES[node.stage].essential and len(asked) >= NEEDED:
            raise RunError(what, said)
        self._reporter.warn(f"{what}; {said}")


def _counted(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"
