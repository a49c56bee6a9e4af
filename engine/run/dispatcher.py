"""The requests that nodes wait for, sent together where their nodes do not depend on each other.

Three ways, by backend: weights on this machine answer node by node, so that their batches do not depend on what else
waits; servers are sent the requests of all nodes that are ready at once; and what is answered after the run
is written to files at its end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from engine.backends import BACKENDS
from engine.backends.protocol import Completion, Deferred, PendingRequest
from engine.backends.replies import PROBE, THINKING
from engine.errors import RunError
from engine.plan.graph import Node
from engine.plan.resources import RoleModel
from engine.run.batches import Batch, write_batch
from engine.run.budget import BudgetTracker
from engine.run.ledger import Ledger
from engine.run.live import Live
from engine.run.progress import Reporter
from engine.run.session import Session
from engine.stages import STAGES
from engine.stages.protocol import Pending
from engine.system.log_file import about

_log = logging.getLogger(__name__)

NEEDED = 5
"""Requests of one kind that must all fail before the run gives up."""


class BudgetReached(Exception):
    """The next request would pass the recipe's budget."""


Answered = Literal["now", "with others", "after the run"]
"""When a node has its replies: they are there, they come when all nodes that are ready ask, or outside of the run."""


class Waiting(NamedTuple):
    """A node and the requests without whose replies it cannot go on."""

    node: Node
    pending: Pending


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
        self._warned: set[str] = set()

    @property
    def holds(self) -> bool:
        """Whether requests wait to be sent together."""
        return bool(self._held)

    def now(self, node: Node, pending: Pending) -> Answered:
        """Answer a node's requests where that is due at once; return when the replies come.

        The first requests to a server are: a wrong key or address must not show up after hours of training.
        """
        role = pending.role
        deferred = self._session.deferred(role)
        if deferred is not None:
            return "now" if self._defer(node, pending, deferred) else "after the run"
        if role in self._answered and not BACKENDS[self._models[role].backend].local:
            self._held.setdefault(role, []).append(Waiting(node, pending))
            return "with others"
        self._send(role, [Waiting(node, pending)])
        return "now"

    def send(self) -> None:
        """Send what is held, role by role.

        Raises:
            BudgetReached: the budget does not allow all of it.
            BackendError: nothing can be answered.
            RunError: requests are left without a reply, or all of an essential stage failed.
        """
        held, self._held = self._held, {}
        for role, waiting in held.items():
            names = ", ".join(node.name for node, _ in waiting)
            with about(stage=names):
                self._send(role, waiting)

    def _send(self, role: str, waiting: Sequence[Waiting]) -> None:
        """Send the requests that have no reply yet; each group of replies is durable before the next is awaited."""
        outstanding: dict[str, PendingRequest] = {}
        for node, pending in waiting:
            for request in pending.requests:
                # Two seeds often ask the same: one call answers both.
                outstanding.setdefault(request.id, PendingRequest(node.id, role, request))
        requests = [pending_request.request for pending_request in outstanding.values()]
        known = self._ledger.known(requests)
        label = waiting[0].node.name if len(waiting) == 1 else f"{len(waiting)} nodes"
        advance = self._reporter.open(f"{label} ({role})", len(requests))
        advance(len(known))
        live = Live()
        generator = self._session.generator(role)
        for group in self._ledger.ask(generator, outstanding.values(), frozenset(known)):
            self._ledger.keep(group)
            self._answered.add(role)
            live.add(group)
            _log_faults(role, group)
            advance.note = live.line(self._tracker.in_flight)
            advance(sum(done.final for done in group))
            # A small call was made in a mode that may not be the one that was detected.
            if reply := next((done for done in group if done.error != PROBE), None):
                self._warn_of_words(role, reply)
            self._warn_of_adaptations(role, group)
            self._warn_of_thinking(role, group)
        self._tracker.release()
        known = self._ledger.known(requests)
        left = len(requests) - len(known)
        if left and self._tracker.exhausted:
            raise BudgetReached(
                f"{self._tracker.exhausted}; {left:,} of {len(requests):,} calls of {label} are left"
            )
        if left:
            raise RunError(
                f"{label}: the {role} left {left} of {len(requests)} requests unanswered"
            )
        for node, pending in waiting:
            self._fail_if_all_failed(node, role, [known[r.id] for r in pending.requests])

    def _warn_of_words(self, role: str, reply: Completion) -> None:
        """Warn once that a server does not enforce schemas: they are sent in words, and replies are validated."""
        if reply.in_words and role not in self._warned:
            self._warned.add(role)
            self._reporter.warn(
                f"the server of the {role} does not enforce JSON schemas: they are told it in words ({reply.method}), "
                "every reply is validated, wrong ones are sent back"
            )

    def _warn_of_adaptations(self, role: str, group: Sequence[Completion]) -> None:
        """Say once each what a server wanted otherwise than usual, and gets so."""
        for adapted in group[-1].adapted:
            if (key := f"{role} {adapted}") not in self._warned:
                self._warned.add(key)
                self._reporter.warn(f"the server of the {role} {adapted}")

    def _warn_of_thinking(self, role: str, group: Sequence[Completion]) -> None:
        """Warn once that a model has too few tokens for its thinking: each such call is paid and brings nothing."""
        cut = next((done for done in group if done.error == THINKING), None)
        if cut is not None and (key := f"{role} thinks") not in self._warned:
            self._warned.add(key)
            what, raising, _ = cut.detail.partition(": raise")
            advice = f"raise models.{role}.thinking_tokens " if raising else ""
            self._reporter.warn(
                f"a reply of the {role} was {what}: {advice}"
                f"(`pada sql \"SELECT * FROM llm_call WHERE error = '{THINKING}'\"` shows all such calls)"
            )

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


def _log_faults(role: str, group: Iterable[Completion]) -> None:
    """Log exchanges that brought nothing and replies that cannot be used, by kind; models' texts are in the store."""
    for done in group:
        for fault in done.tries:
            fields = {
                "request": done.request,
                "kind": fault.kind,
                "status": fault.status,
                "detail": fault.detail,
            }
            _log.debug("no reply of the %s", role, extra={"fields": fields})
        if done.error is not None:
            fields = {"request": done.request, "kind": done.error, "final": done.final}
            _log.debug("unusable reply of the %s", role, extra={"fields": fields})


def _counted(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"


def _unusable(node: Node, role: str, failed: Iterable[Completion]) -> str:
    kinds = [c.error or "?" for c in failed]
    errors = ", ".join(sorted(set(kinds)))
    return f"{node.name}: none of {len(kinds)} replies of the {role} was usable ({errors})"


def _first(failed: Sequence[Completion]) -> str:
    return f"{failed[0].detail or failed[0].text[:200]!r}; all are in the table llm_call"
