"""The run's view of the call ledger: replies by request, from this run and from all earlier ones."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, cast

from engine import json_text
from engine.backends.protocol import (
    Completion,
    FailedExchange,
    Generator,
    PendingRequest,
    Request,
    Usage,
)
from engine.backends.structured import json_of
from engine.rows import Call
from engine.run.asking.asked import Asked, Desk
from engine.run.asking.scratch import Scratch
from engine.run.budget import BudgetTracker
from engine.store import CallUseRow, Store, now

LOOKED_UP = 20_000
"""Requests that the store is asked about at once."""


class Ledger:
    """Finds and records replies. Usable replies are served for ever; failed ones only until their node is done.

    What is asked and replied lies on disk while it is worked with (`engine.run.asking`).
    """

    def __init__(self, store: Store, run: str, tracker: BudgetTracker) -> None:
        """Read from `store`, write calls as made by `run`, and commit what they took to `tracker`."""
        self._store, self._run, self._tracker = store, run, tracker
        self._desk = Desk(Scratch(store.state))

    def put_down(self, role: str, requests: Iterable[Request]) -> Asked:
        """Put down what a stage asks, as it builds it; raises RunError."""
        return self._desk.put_down(role, requests)

    def lacks(self, asked: Asked) -> int:
        """Return how many requests have no reply, neither here nor in the store."""
        waiting: list[str] = []
        for identity in chain.from_iterable(asked.missing()):
            if self._store.has_reply(identity):
                waiting.append(identity)
            if len(waiting) == LOOKED_UP:
                self._look_up(waiting)
                waiting = []
        self._look_up(waiting)
        return asked.lacks()

    def _look_up(self, requests: Sequence[str]) -> None:
        if requests:
            calls = self._store.replies(requests)
            self._desk.keep((completion_of(call), call.node) for call in calls.values())

    @property
    def answered(self) -> Container[str]:
        """The requests with a final reply."""
        return self._desk

    def failures(self, requests: Sequence[Request]) -> dict[str, list[Completion]]:
        """Return the unusable replies of those requests that have any, from all runs, oldest first."""
        failures = self._store.failures([r.id for r in requests])
        return {
            request: [completion_of(call) for call in calls] for request, calls in failures.items()
        }

    def note_use(self, node: str, asked: Asked, earlier: Sequence[Asked] = ()) -> None:
        """Write down which replies a node took that another one had asked for; those of `earlier` are written down."""
        for requests in asked.of_others(node, earlier):
            self._store.note([CallUseRow(node, request) for request in requests])

    def give_up(self, pending: PendingRequest) -> None:
        """Hold the last failure of a request as its reply: it is not asked again."""
        self._desk.keep([(replace(pending.failed[-1], final=True), pending.node)])

    def forget(self, asks: Sequence[Asked]) -> None:
        """Drop what a finished node asked, and usable replies that nobody waits for: the store has them."""
        self._desk.forget(asks)

    def forget_all(self) -> None:
        """Drop all that is held ready: no node has begun."""
        self._desk.scratch.clear()

    def ask(
        self,
        generator: Generator,
        outstanding: Iterable[PendingRequest],
        answered: Container[str],
    ) -> Iterator[list[Completion]]:
        """Send requests; each group of replies is in the spool when it is yielded, and final ones are held ready.

        Holds only what is in flight, so `outstanding` may be an iterator of any length where the backend takes one.
        """
        in_flight: dict[str, PendingRequest] = {}
        reserved = 0

        def watched() -> Iterator[Request]:
            for pending in outstanding:
                if pending.request.id not in answered:
                    in_flight[pending.request.id] = pending
                yield pending.request

        def reserve(requests: Sequence[Request]) -> bool:
            nonlocal reserved
            may = self._tracker.reserve(requests)
            reserved += len(requests) if may else 0
            return may

        try:
            for group in generator.complete_many(watched(), answered, reserve):
                self._store.record_calls(
                    [entry(self._run, in_flight[done.request], done) for done in group]
                )
                self._tracker.commit(group)
                reserved -= len(group)
                final = [done for done in group if done.final]
                self._desk.keep((done, in_flight.pop(done.request).node) for done in final)
                yield group
        finally:
            self._tracker.release(max(0, reserved))


def entry(run: str, pending: PendingRequest, completion: Completion) -> Call:
    """Return the ledger's entry of one reply: a node of `run` asked for it."""
    request = pending.request
    return Call(
        id=request.id,
        run=run,
        node=pending.node,
        role=pending.role,
        model=request.model,
        messages=[
            {"role": m.role, "content": m.content} for m in completion.sent or request.messages
        ],
        schema=request.schema,
        max_tokens=request.max_tokens,
        temperature=request.temperature,
        attempt=request.attempt,
        reply=completion.text,
        finish_reason=completion.finish_reason,
        seconds=completion.seconds,
        method=completion.method,
        error=completion.error,
        detail=completion.detail,
        created=now(),
        final=completion.final,
        cost=completion.cost,
        server=completion.server or None,
        tries=[exchange._asdict() for exchange in completion.tries],
        **completion.usage._asdict(),
    )


def completion_of(call: Call) -> Completion:
    """Return the completion that an entry of the ledger is of; raises ValueError for a reply that is no JSON."""
    value: Any = None
    if call.error is None:
        value = call.reply if call.schema is None else json_text.parse(json_of(call.reply))
    return Completion(
        request=call.id,
        text=call.reply,
        value=value,
        finish_reason=cast(Any, call.finish_reason),
        usage=Usage(**{name: getattr(call, name) for name in Usage._fields}),
        seconds=call.seconds,
        method=call.method,
        error=call.error,
        detail=call.detail,
        cost=call.cost,
        server=call.server or "",
        tries=tuple(FailedExchange(**exchange) for exchange in call.tries),
    )
