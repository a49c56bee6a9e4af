"""The requests that nodes wait for, sent together where their nodes do not depend on each other.

Three ways, by backend: weights on this machine answer node by node, so that their batches do not depend on what else
waits; servers are sent the requests of all nodes that are ready, in one conversation at a time with each model, beside
which others work; and what is answered after the run is written to files at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from engine.backends import BACKENDS
from engine.backends.protocol import Completion, Deferred, PendingRequest
from engine.errors import RunError
from engine.plan.graph import Node
from engine.plan.resources import RoleModel
from engine.run.batches import Batch, write_batch
from engine.run.budget import BudgetTracker
from engine.run.driving.talking import Talk, Waiting, Warnings
from engine.run.ledger import Ledger
from engine.run.progress import Reporter
from engine.run.session import Session
from engine.stages import STAGES
from engine.stages.protocol import Pending

NEEDED = 5
"""Requests of one kind that must all fail before the run gives up."""


class BudgetReached(Exception):
    """The next request would pass the recipe's budget."""


When = Literal["now", "in its turn", "with others", "after the run"]
"""When a node has its replies: they are there; it is asked when this machine is free for it; a server is asked; or they
come outside of the run."""


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
        self._deferred: dict[Deferred, dict[str, PendingRequest]] = {}
        self._answered: set[str] = set()
        self._lines: set[object] = set()
        """Models with which a conversation goes on."""
        self._warnings = Warnings(reporter)

    def when(self, node: Node, pending: Pending) -> When:
        """Take a node's requests; return when their replies come."""
        role = pending.role
        deferred = self._session.deferred(role)
        if deferred is not None:
            return "now" if self._defer(node, pending, deferred) else "after the run"
        if self.is_local(role):
            return "in its turn"
        self._held.setdefault(role, []).append(Waiting(node, pending))
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
        requests = [request for _, pending in waiting for request in pending.requests]
        talk = Talk(role, self._session.line(role), waiting, self._ledger.known(requests))
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
        ready = talk.answered(requests)
        for node, pending in ready:
            known = self._ledger.known(pending.requests)
            self._fail_if_all_failed(
                node, talk.role, [known[request.id] for request in pending.requests]
            )
        return [node for node, _ in ready]

    def ended(self, talk: Talk) -> list[Node]:
        """Take note that a conversation is over; return the nodes that lack nothing, and were not told of before.

        Raises:
            BudgetReached: the budget does not allow all of it.
            RunError: requests are left without a reply, or all of an essential stage failed.
        """
        self._lines.discard(talk.line)
        requests = talk.requests
        known = self._ledger.known(requests)
        left = len(requests) - len(known)
        if left and self._tracker.exhausted:
            raise BudgetReached(
                f"{self._tracker.exhausted}; {left:,} of {len(requests):,} calls of {talk.label} are left"
            )
        if left:
            raise RunError(
                f"{talk.label}: the {talk.role} left {left} of {len(requests)} requests unanswered"
            )
        return self.answered(talk, list(known))

    def _defer(self, node: Node, pending: Pending, deferred: Deferred) -> bool:
        """Keep requests for the file that is written at the end; return True when none is left to ask."""
        known = self._ledger.known(pending.requests)
        missing = [r for r in pending.requests if r.id not in known]
        failures = self._ledger.failures(missing)
        outstanding = [
            PendingRequest(node.id, pending.role, r, tuple(failures.get(r.id, ()))) for r in missing
        ]
        waiting = {
            pending_request.request.id: pending_request
            for pending_request in outstanding
            if pending_request.number < deferred.attempts
        }
        self._ledger.keep(
            replace(pending_request.failed[-1], final=True)
            for pending_request in outstanding
            if pending_request.number >= deferred.attempts
        )
        if waiting:
            held = self._deferred.setdefault(deferred, {})
            for identity, pending_request in waiting.items():
                held.setdefault(identity, pending_request)
            self._reporter.say(
                f"{node.name:<28} waits for {_counted(len(waiting), 'reply', 'replies')} of the {pending.role}"
            )
            return False
        known = self._ledger.known(pending.requests)
        self._fail_if_all_failed(node, pending.role, [known[r.id] for r in pending.requests])
        return True

    def write_batch(self, state: Path, run: str) -> tuple[list[Batch], str]:
        """Write the deferred requests of all nodes that were not asked yet; return the files and a note.

        Raises:
            BudgetReached: the budget does not allow any of them.
            BackendError: the files cannot be written.
        """
        count = sum(map(len, self._deferred.values()))
        if not count:
            return [], ""
        batches = write_batch(self._deferred, state, run, self._tracker.reserve)
        left = count - sum(batch.requests for batch in batches)
        if not batches:
            raise BudgetReached(f"{self._tracker.exhausted}; {left:,} calls are left")
        waits = "request waits for its result", "requests wait for their results"
        note = _counted(count - left, *waits)
        if left:
            note += f"; {left:,} more were not written: {self._tracker.exhausted}"
        return batches, note

    def _fail_if_all_failed(self, node: Node, role: str, completions: Sequence[Completion]) -> None:
        failed = [c for c in completions if c.value is None]
        if len(failed) < len(completions) or not failed:
            return
        # Few replies may fail by chance: the run goes on.
        if STAGES[node.stage].essential and len(completions) >= NEEDED:
            raise RunError(_unusable(node, role, failed), f"the first one: {_first(failed)}")
        self._reporter.warn(f"{_unusable(node, role, failed)}; the first one: {_first(failed)}")


def _counted(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"


def _unusable(node: Node, role: str, failed: Iterable[Completion]) -> str:
    kinds = [c.error or "?" for c in failed]
    errors = ", ".join(sorted(set(kinds)))
    return f"{node.name}: none of {len(kinds)} replies of the {role} was usable ({errors})"


def _first(failed: Sequence[Completion]) -> str:
    return f"{failed[0].detail or failed[0].text[:200]!r}; all are in the table llm_call"
