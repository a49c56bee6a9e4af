"""One conversation with a model: the requests of one or more nodes, sent, and their replies durable as they come.

It may go on in a thread of its own, while others work: what it writes (ledger, budget) takes care of that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from threading import Thread
from typing import NamedTuple

from engine.backends.protocol import Completion, Generator, PendingRequest
from engine.backends.replies import PROBE, THINKING
from engine.plan.graph import Node
from engine.run.asking.asked import Asked
from engine.run.budget import BudgetTracker
from engine.run.ledger import Ledger
from engine.run.live import Live
from engine.run.progress import Reporter
from engine.system import stopping
from engine.system.log_file import about

_log = logging.getLogger(__name__)


class Waiting(NamedTuple):
    """A node and the requests without whose replies it cannot go on."""

    node: Node
    asked: Asked


class Warnings:
    """What is said of a model once, however often it is asked."""

    def __init__(self, reporter: Reporter) -> None:
        """Take who is told."""
        self._reporter = reporter
        self._warned: set[str] = set()

    def of(self, role: str, group: Sequence[Completion]) -> None:
        """Warn of what a group of replies shows."""
        # A small call was made in a mode that may not be the one that was detected.
        if reply := next((done for done in group if done.error != PROBE), None):
            self._warn_of_words(role, reply)
        self._warn_of_adaptations(role, group)
        self._warn_of_thinking(role, group)

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


@dataclass(frozen=True)
class Answered:
    """Requests of a conversation have their final replies."""

    talk: Talk
    requests: tuple[str, ...]


@dataclass(frozen=True)
class Talked:
    """A conversation has ended, by an error where one is given."""

    talk: Talk
    error: BaseException | None = None


class Talk:
    """The requests of nodes to the model of one role."""

    def __init__(self, role: str, line: object, waiting: Sequence[Waiting]) -> None:
        """Take who is asked, what tells its model apart, and who waits."""
        self.role, self.line, self.waiting = role, line, list(waiting)
        self._all = tuple(waiting)
        self.total = sum(one.asked.count(self._before(at)) for at, one in enumerate(waiting))
        """Requests, what is answered already too."""
        self._answered = self.total - self.left()
        self._missing = {node.name: asked.lacks() for node, asked in waiting}
        self.label = waiting[0].node.name if len(waiting) == 1 else f"{len(waiting)} nodes"

    def _before(self, place: int) -> list[Asked]:
        # Two seeds often ask the same: one call answers both.
        return [one.asked for one in self._all[:place]]

    def _outstanding(self) -> Iterator[PendingRequest]:
        for place, (node, asked) in enumerate(self._all):
            for request in asked.requests(self._before(place)):
                yield PendingRequest(node.id, self.role, request)

    def left(self) -> int:
        """Return how many requests have no reply."""
        return sum(one.asked.lacks(self._before(at)) for at, one in enumerate(self._all))

    def answered(self, requests: Sequence[str]) -> list[Waiting]:
        """Return the nodes that lack nothing any more, now that these requests are answered, each told once."""
        for node, asked in self.waiting:
            if self._missing[node.name]:
                self._missing[node.name] -= asked.among(requests)
        return self._ready()

    def ended(self) -> list[Waiting]:
        """Return the nodes that lack nothing any more and were not told of before."""
        for node, asked in self.waiting:
            self._missing[node.name] = asked.lacks()
        return self._ready()

    def _ready(self) -> list[Waiting]:
        ready = [one for one in self.waiting if not self._missing[one.node.name]]
        self.waiting = [one for one in self.waiting if self._missing[one.node.name]]
        return ready

    def run(
        self,
        generator: Generator,
        ledger: Ledger,
        tracker: BudgetTracker,
        reporter: Reporter,
        warnings: Warnings,
        post: Callable[[Answered], None],
    ) -> None:
        """Ask, until all is answered or nothing more may be sent; each group is durable before the next is awaited.

        Raises:
            BackendError: nothing can be answered.
        """
        advance = reporter.open(f"{self.label} ({self.role})", self.total)
        advance(self._answered)
        live = Live()
        names = ", ".join(node.name for node, _ in self.waiting)
        with about(stage=names):
            for group in ledger.ask(generator, self._outstanding(), ledger.answered):
                live.add(group)
                _log_faults(self.role, group)
                advance.note = live.line(tracker.in_flight)
                final = [done.request for done in group if done.final]
                advance(len(final))
                warnings.of(self.role, group)
                post(Answered(self, tuple(final)))


def beside(
    talk: Talk, run: Callable[[], None], stop: stopping.Stop, post: Callable[[Talked], None]
) -> Thread:
    """Have a conversation in a thread of its own; how it ended is posted."""

    def held() -> None:
        with stopping.under(stop):
            try:
                run()
            except BaseException as error:
                post(Talked(talk, error))
            else:
                post(Talked(talk))

    thread = Thread(target=copy_context().run, args=(held,), name=talk.role, daemon=True)
    thread.start()
    return thread


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
