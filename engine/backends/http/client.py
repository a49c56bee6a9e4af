"""The asynchronous client: requests in, completions out as they finish, through faults of every kind.

One event loop, run by whoever reads the completions: it pauses while they are written, so nothing piles
up. A request that must be tried again waits outside the requests in flight, so that a fault costs its own request
time and the others none. Every wait is bounded: before a request is sent again, and while it waits, its patience
and the run's budget are checked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from engine.backends.http.body import BodyWriter
from engine.backends.http.concurrency import CircuitBreaker, ConcurrencyLimit
from engine.backends.http.connection import Connection
from engine.backends.http.exchange import DOUBTFUL, FATAL, OUTAGE, Exchange
from engine.backends.http.lengths.limits import first_length
from engine.backends.http.modes import SchemaModes
from engine.backends.http.outcomes import (
    Outcome,
    RequestState,
    after_answer,
    after_fault,
    after_rate_limit,
)
from engine.backends.http.patience import CHECK_EVERY
from engine.backends.http.probe import Prober
from engine.backends.http.settings import ServerSettings
from engine.backends.http.waiting import Reservations, WaitingRequests
from engine.backends.protocol import Completion, FailedExchange, Request, Reserve
from engine.backends.replies import CUT, completion, correction, failed
from engine.backends.structured import Reply

GATHER = 0.02
"""Seconds for which replies are gathered into one group."""
CROWD = 32
"""From this many requests in flight on, replies are gathered five times as long: each group costs a write."""


class Doubted(NamedTuple):
    """The first request, where it was refused as every request might be: a second one tells."""

    state: RequestState
    exchange: Exchange
    seconds: float


class Client:
    """The requests of one `complete_many`."""

    def __init__(
        self,
        connection: Connection,
        settings: ServerSettings,
        writers: Sequence[BodyWriter],
        detected: bool,
        limit: ConcurrencyLimit,
        requests: Iterator[Request],
        reserve: Reserve,
    ) -> None:
        """Take where to send, how, what, and who reserves the calls.

        The first of several modes that the server honours is detected, unless that is the first of all; the others are
        for schemas that it refuses.
        """
        self._connection, self._settings = connection, settings
        self._modes = SchemaModes(writers)
        self._writers, self.writer = writers, writers[0]
        self.detected = detected
        """Whether `writer` is in the mode that the server honours."""
        self._limit, self._breaker = limit, CircuitBreaker()
        self._requests, self._reservations = requests, Reservations(reserve)
        self._waiting = WaitingRequests()
        self._active: set[asyncio.Task[None]] = set()
        self._finished: list[Completion] = []
        self._prober = Prober(connection, settings, self._reservations, self._add)
        self._checking: asyncio.Task[None] | None = None
        self._doubted: Doubted | None = None
        self._stopped = False
        """Whether no new request is sent any more."""
        self._halted = False
        """Whether requests that wait are not sent any more, either."""
        self._last_answer: float | None = None
        self._fault = Exchange("connection")
        """The last sign of an outage."""
        self._error: Exception | None = None
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> list[Completion]:
        """Return what has finished since the last call."""
        finished, self._finished = self._finished, []
        return finished

    async def start(self) -> None:
        """Open the connection, find out how the server takes a schema, and send the first requests."""
        await self._connection.open()
        first = next(self._requests)
        self._requests = chain([first], self._requests)
        if not self.detected:
            writer = await self._prober.detect_mode(self._writers, first)
            if writer is None:
                self._halt()
                return
            self.writer, self.detected = writer, True
            self._modes = SchemaModes(self._writers[self._writers.index(writer) :])
        self._limit.resume(time.monotonic())
        self._fill()

    async def group(self) -> list[Completion]:
        """Wait for the next completions; an empty list means there are none left. Raises BackendError."""
        while not self._finished:
            if self._error is not None:
                raise self._error
            if not self._active and not self._waiting:
                self._fill()
                busy = self._active or self._waiting or self._finished or self._doubted
                if self._stopped and not busy:
                    return []
            self._changed.clear()
            await self._changed.wait()
        if self._active:
            await asyncio.sleep(GATHER if len(self._active) < CROWD else 5 * GATHER)
        return self.take()

    async def close(self) -> None:
        """Give up what is in flight, and close the connection."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._active, *([self._checking] if self._checking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.close()

    # What is sent next, and when.

    def _fill(self) -> None:
        """Send as many requests as the limit allows; a bug must end the run, not hang it."""
        try:
            self._send_due()
        except Exception as error:
            self._fail(error)

    def _send_due(self) -> None:
        if self._error is not None or self._halted:
            return
        if self._waiting and not self._reservations.stand():
            self._halt()
            return
        now = time.monotonic()
        if self._breaker.open:
            self._await_server(now)
            return
        limit = self._limit.limit if self._last_answer is not None else 1
        while len(self._active) < limit and self._error is None:
            state = self._next(now)
            if state is None:
                break
            self._active.add(asyncio.create_task(self._work(state)))
        if (
            self._doubted
            and self._stopped
            and not (self._active or self._waiting or self._checking or self._error)
        ):
            self._checking = asyncio.create_task(self._check_doubted(self._doubted))
        if self._waiting:
            # Without room there is nothing to wake up for: whatever ends next makes some and comes here.
            room = len(self._active) < limit
            self._wake(self._waiting.front.waits.due - now if room else CHECK_EVERY)

    def _next(self, now: float) -> RequestState | None:
        """Return what to send next: a request that is due again, else a new one unless too many wait already."""
        if state := self._waiting.take(now, self._breaker.back):
            if self._reservations.stand():
                return state
            self._halt()
            return None
        return self._new() if len(self._waiting) < self._limit.limit else None

    def _new(self) -> RequestState | None:
        """Return the next new request; None where there is none, or the budget does not allow it."""
        while not self._stopped:
            request = next(self._requests, None)
            if request is None or not self._reservations.take(request):
                self._stopped = True
                break
            writer = self._modes.of(request)
            state = RequestState(request, writer.turns(request), first_length(request), writer)
            why = self._connection.too_long(state.turns, state.length.wanted)
            if not why:
                return state
            self._finish(state, Exchange("too_long"), 0.0, failed("too_long", why))
        return None

    def _put_off(self, state: RequestState, delay: float) -> None:
        if not self._halted:
            self._waiting.add(state, time.monotonic(), delay)

    def _wake(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        seconds = max(0.001, min(delay, CHECK_EVERY))
        self._timer = asyncio.get_running_loop().call_later(seconds, self._fill)

    def _halt(self) -> None:
        """Send nothing more: the budget is spent. What is in flight is brought home."""
        self._fail_doubted()
        self._stopped = self._halted = True
        self._waiting.clear()
        self._changed.set()

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._changed.set()

    # A server that is away.

    def _await_server(self, now: float) -> None:
        """Send nothing but an occasional health check while the server is away."""
        if not self._waiting:
            state = self._new()
            if state is None:
                return
            self._put_off(state, 0.0)
        if self._checking is not None:
            return
        away = now - self._breaker.since if self._breaker.since is not None else 0.0
        waited = max(away, self._waiting.longest(now))
        if waited > self._settings.patience_s:
            self._fail(self._connection.error(self._fault, waited))
        elif now < self._breaker.until:
            self._wake(self._breaker.until - now)
        else:
            self._checking = asyncio.create_task(self._check_health(self._waiting.front.request))

    async def _check_health(self, request: Request) -> None:
        try:
            health = await self._prober.call(self.writer, request)
            self._checking = None
            if health is None:
                self._halt()
                return
            now = time.monotonic()
            if health.healthy:
                self._breaker.replied(now)
                self._limit.restart(now)
            else:
                self._fault = health.exchange
                self._breaker.failed(now)
        except Exception as error:
            self._fail(error)
        self._fill()

    # A first request that is refused.

    def _doubt(self, doubted: Doubted) -> None:
        """Put a request aside that was refused before any was answered; the second one that is ends the run."""
        if self._doubted is not None:
            self._error = self._connection.error(doubted.exchange)
        self._doubted = doubted

    def _fail_doubted(self) -> None:
        """Fail the request that was put aside, alone: the server answers others."""
        doubted, self._doubted = self._doubted, None
        if doubted is not None:
            kind, detail = doubted.exchange.kind, doubted.exchange.detail
            self._finish(doubted.state, doubted.exchange, doubted.seconds, failed(kind, detail))

    async def _check_doubted(self, doubted: Doubted) -> None:
        """Find out by a small call, where there is no second request, whether every request would be refused."""
        try:
            health = await self._prober.call(self.writer, doubted.state.request)
            self._checking = None
            if health is not None and health.exchange.kind in FATAL:
                self._fail(self._connection.error(doubted.exchange))
                return
            self._fail_doubted()
        except Exception as error:
            self._fail(error)

    # Requests, and what their answers lead to.

    async def _work(self, state: RequestState | None) -> None:
        """Send a request, and then the next one, as long as there is room for it."""
        task = asyncio.current_task()
        assert task is not None
        while state is not None:
            began = time.monotonic()
            try:
                quirks = state.writer.quirks
                known, tokens = quirks.met, quirks.limits.ask(state.length, state.turns)
                body = state.writer.body(state.request, state.turns, tokens, state.unusable)
                exchange = (await self._connection.post(body)).to(state.request)
                now = time.monotonic()
                learned = quirks.learn(exchange, known, state.length, state.turns)
                if learned or self._modes.loosen(state, exchange):
                    self._put_off(state, 0.0)
                else:
                    self._settle(state, exchange, now - began, now)
                state = self._next(now) if self._has_room() else None
            except Exception as error:  # a bug must end the run, not hang it
                self._error, state = error, None
            self._changed.set()
        self._active.discard(task)
        self._fill()

    def _has_room(self) -> bool:
        """Return whether a request that is over may be followed by another at once."""
        return (
            self._error is None
            and not self._halted
            and not self._breaker.open
            and len(self._active) == self._limit.limit
        )

    def _settle(self, state: RequestState, exchange: Exchange, seconds: float, now: float) -> None:
        settings = self._settings
        if exchange.kind == "rate_limit":
            self._limit.refused(now)
            self._breaker.replied(now)
            self._go_on(state, exchange, seconds, after_rate_limit(state, exchange))
        elif exchange.kind in OUTAGE:
            away = self._note_fault(exchange, now)
            self._go_on(state, exchange, seconds, after_fault(state, exchange, settings, away))
        elif exchange.kind in DOUBTFUL and self._last_answer is None:
            self._doubt(Doubted(state, exchange, seconds))
        elif exchange.kind in FATAL and (
            self._last_answer is None or exchange.kind in {"auth", "proxy", "quota"}
        ):
            self._error = self._connection.error(exchange)
        else:
            self._note_answer(now)
            if exchange.kind in FATAL | {"too_long"}:
                self._finish(state, exchange, seconds, failed(exchange.kind, exchange.detail))
            else:
                self._go_on(state, exchange, seconds, after_answer(state, exchange, settings))

    def _note_answer(self, now: float) -> None:
        self._last_answer = now
        self._fail_doubted()
        if self._breaker.replied(now):
            self._limit.restart(now)
        self._limit.replied(now)

    def _note_fault(self, exchange: Exchange, now: float) -> bool:
        """Note a failure of the server; return whether the server is taken to be away."""
        self._fault = exchange
        away = self._breaker.open
        self._breaker.failed(now)
        if exchange.kind == "timeout":
            # A server that answers too late has too much to do.
            self._limit.refused(now)
        return away or self._breaker.open

    def _go_on(
        self, state: RequestState, exchange: Exchange, seconds: float, outcome: Outcome
    ) -> None:
        """Finish a request, or send it again unless that means to wait longer than it may."""
        delay = outcome.again
        if delay is None:
            self._finish(state, exchange, seconds, outcome.reply)
        elif delay and state.waits.over + delay > self._settings.patience_s:
            self._give_up(state, exchange, seconds, outcome.reply, delay)
        elif outcome.counts:
            self._finish(state, exchange, seconds, outcome.reply, final=False)
            self._ask_again(state, exchange, outcome.reply, delay)
        else:
            kind, status, detail = exchange.kind, exchange.status, exchange.detail
            state.tries.append(FailedExchange(kind, status, round(seconds, 3), detail))
            self._put_off(state, delay)

    def _give_up(
        self, state: RequestState, exchange: Exchange, seconds: float, reply: Reply, delay: float
    ) -> None:
        """End a request that has waited too long: alone if others were answered meanwhile, else with the whole run."""
        waited, patience = state.waits.over, self._settings.patience_s
        answered, waits_since = self._last_answer, state.waits.first
        if answered is None or waits_since is None or answered < waits_since:
            self._error = self._connection.error(exchange, waited, delay)
            return
        detail = (
            f"{reply.detail}; given up after {waited:.1f} s of waiting (`patience_s: {patience:g}`)"
        )
        self._finish(state, exchange, seconds, reply._replace(detail=detail))

    def _ask_again(
        self, state: RequestState, exchange: Exchange, reply: Reply, delay: float
    ) -> None:
        """Send a request again whose reply cannot be used; that is a call of its own, which may be one too many."""
        if not self._reservations.take(state.request):
            self._stopped = True
            return
        state.tries = []
        if reply.error in CUT:
            state.length.double()
        elif exchange.kind == "reply":
            turns = state.writer.turns(state.request)
            state.turns = (*turns, *correction(exchange.text, reply.detail))
            state.length.room = None  # that was left beside a shorter prompt
        self._put_off(state, delay)

    def _finish(
        self,
        state: RequestState,
        exchange: Exchange,
        seconds: float,
        reply: Reply,
        final: bool = True,
    ) -> None:
        writer = state.writer
        self._add(
            completion(
                state.request,
                reply,
                text=exchange.text,
                finish=exchange.finish,
                usage=exchange.usage,
                seconds=seconds,
                method=writer.mode.name,
                final=final,
                sent=writer.as_sent(state.turns),
                in_words=writer.mode.in_words,
                adapted=writer.quirks.adapted,
                cost=self._settings.cost(exchange.usage),
                server=exchange.server,
                tries=tuple(state.tries),
            )
        )

    def _add(self, done: Completion) -> None:
        self._finished.append(done)
        self._changed.set()
