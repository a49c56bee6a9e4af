"""The asynchronous client: requests in, completions out as they finish, through faults of every kind.

One loop, run by whoever reads the completions: it stands still while they are written down, so nothing piles
up. A request that must be tried again waits its turn outside the requests under way, so that a fault costs
its own request time and the others none.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import random
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.backends.http.body import Shape
from engine.backends.http.concurrency import Breaker, Pace
from engine.backends.http.probe import Probe, look, paid
from engine.backends.http.response import FATAL, OUTAGE, Exchange
from engine.backends.protocol import TEXT, Completion, FailedExchange, Message, Request, Reserve
from engine.backends.structured import read_reply
from engine.errors import BackendError

if TYPE_CHECKING:
    from engine.backends.http.connection import Server
    from engine.backends.openai import ServerSettings

GATHER = 0.02
"""Seconds for which replies are gathered into one group."""
CROWD = 32
"""From so many requests under way, replies are gathered five times as long: writing a group down has its price."""
COLLECT_AFTER = 20_000
"""New objects between two looks for cyclic garbage."""
BACKOFF = 0.5
"""Seconds before the first repetition after a fault of the server; doubled each time."""
LONGEST_BACKOFF = 20.0
REFUSALS = 2
"""How often a request is sent that the model refuses."""


@dataclass(slots=True)
class Job:
    """One request on its way."""

    request: Request
    turns: tuple[Message, ...]
    max_tokens: int
    tries: list[FailedExchange] = field(default_factory=list)
    faults: int = 0
    """Attempts that the server's faults used up."""
    waits: int = 0
    """Times it was told to come later (429)."""
    wrong: int = 0
    """Replies that did not fit the schema."""
    refusals: int = 0
    longer: bool = False
    """Whether it was given more tokens already."""


class Dispatch:
    """The requests of one `complete_many`."""

    def __init__(
        self,
        server: Server,
        shape: Shape,
        settings: ServerSettings,
        pace: Pace,
        requests: Iterator[Request],
        reserve: Reserve,
    ) -> None:
        """Take where to send, how to shape and pace it, what to send, and who permits it."""
        self._server, self._shape, self._settings = server, shape, settings
        self._pace, self._breaker = pace, Breaker(settings.patience_s)
        self._requests, self._permit = requests, reserve
        self._later: list[tuple[float, int, Job]] = []
        self._number = 0
        self._active: set[asyncio.Task[None]] = set()
        self._finished: list[Completion] = []
        self._looking: asyncio.Task[None] | None = None
        self._stopped = False
        self._replied = False
        self._error: BaseException | None = None
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def take(self) -> list[Completion]:
        """Return what has finished since the last call."""
        finished, self._finished = self._finished, []
        return finished

    async def start(self, first: Request, probes: Sequence[Probe]) -> None:
        """Send the first requests; `probes` are the small calls that `first` took before it can be sent."""
        for probe in probes:
            self._note(probe, first)
        self._pace.resume(time.monotonic())
        self._fill()

    async def group(self) -> list[Completion]:
        """Wait for the next completions; an empty list means there are none left. Raises BackendError."""
        while not self._finished:
            if self._error is not None:
                raise self._error
            if not self._active and not self._later:
                self._fill()
                if self._stopped and not self._active and not self._finished:
                    return []
            self._changed.clear()
            await self._changed.wait()
        if self._active:
            await asyncio.sleep(GATHER if len(self._active) < CROWD else 5 * GATHER)
        return self.take()

    async def close(self) -> None:
        """Give up what is under way."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._active, *([self._looking] if self._looking else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fill(self) -> None:
        """Send as many as the pace allows."""
        now = time.monotonic()
        if self._breaker.open:
            self._look_later(now)
            return
        limit = self._pace.limit if self._replied else 1
        while len(self._active) < limit and self._error is None:
            job = self._next(now)
            if job is None:
                break
            task = asyncio.create_task(self._work(job))
            self._active.add(task)
        if self._later:
            self._wake(self._later[0][0] - now)

    def _next(self, now: float) -> Job | None:
        """Return what to send next: what is due again, else a new request unless too many wait already."""
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2]
        while not self._stopped and len(self._later) < self._pace.limit:
            request = next(self._requests, None)
            if request is None or not self._permit([request]):
                self._stopped = True
                break
            job = Job(request, self._shape.turns(request), request.max_tokens)
            if too_long := self._server.too_long(job.turns, job.max_tokens):
                self._finish(job, Exchange("too_long", detail=too_long), 0.0, "too_long", too_long)
                self._changed.set()
                continue
            return job
        return None

    def _wake(self, delay: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.001, delay), self._fill)

    def _look_later(self, now: float) -> None:
        """While the server is away nothing is sent but, from time to time, a small call that looks for it."""
        if self._looking is not None or self._error is not None:
            return
        if now < self._breaker.until:
            self._wake(self._breaker.until - now)
        else:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        back, probe = await look(self._server, self._shape)
        if self._later:
            self._note(probe, self._later[0][2].request)
        now = time.monotonic()
        self._looking = None
        if back:
            self._breaker.replied()
            self._pace.restart(now)
        else:
            self._breaker.failed(now)
            if self._breaker.lost(now):
                self._error = self._server.error(probe.exchange)
                self._changed.set()
        self._fill()

    def _note(self, probe: Probe, request: Request) -> None:
        """Count a small call like any other, as one for a request that waits for it."""
        done = paid(probe, request, self._settings.cost(probe.exchange))
        if done is not None:
            self._permit([request])
            self._finished.append(done)

    async def _work(self, job: Job | None) -> None:
        """Send a request, and then the next one, as long as the pace has room for it."""
        task = asyncio.current_task()
        assert task is not None
        while job is not None:
            began = time.monotonic()
            try:
                exchange = await self._server.post(
                    self._shape.body(
                        job.request, job.turns, job.max_tokens, job.wrong + job.refusals
                    )
                )
                now = time.monotonic()
                self._settle(job, exchange, now - began)
                job = self._next(now) if self._room(now) else None
            except Exception as error:  # a mistake of ours must end the run, not hang it
                self._error, job = error, None
            self._changed.set()
        self._active.discard(task)
        self._fill()

    def _room(self, now: float) -> bool:
        """Return whether a request that is over may be followed by another at once."""
        return (
            self._error is None and not self._breaker.open and len(self._active) == self._pace.limit
        )

    # What an answer leads to.

    def _settle(self, job: Job, got: Exchange, seconds: float) -> None:
        now = time.monotonic()
        if got.kind == "rate_limit":
            self._pace.refused(now)
            self._breaker.replied()
            job.waits += 1
            if (got.retry_after or 0.0) > self._settings.patience_s:
                self._error = self._server.error(got)
                return
            self._again(job, got, seconds, got.retry_after or self._backoff(job.waits))
        elif got.kind in OUTAGE:
            self._outage(job, got, seconds, now)
        elif self._shape.mend(got):
            self._put_off(job, 0.0)
        elif got.kind in FATAL and (not self._replied or got.kind in {"auth", "quota"}):
            self._error = self._server.error(got)
        elif got.kind in {"reply", "refusal", "empty"} or got.kind not in FATAL | {"too_long"}:
            self._answered(now)
            self._judge(job, got, seconds)
        else:
            self._answered(now)
            self._finish(job, got, seconds, got.kind, got.detail)

    def _answered(self, now: float) -> None:
        self._replied = True
        if self._breaker.replied():
            self._pace.restart(now)
        self._pace.replied(now)

    def _outage(self, job: Job, got: Exchange, seconds: float, now: float) -> None:
        away = self._breaker.open
        self._breaker.failed(now)
        if got.kind == "timeout":
            # A server that answers too late has too much to do.
            self._pace.refused(now)
        # While the server is away every request would fail: that is no attempt of this one.
        job.faults += not (away or self._breaker.open)
        if job.faults >= self._settings.attempts:
            self._finish(job, got, seconds, got.kind, got.detail)
        else:
            self._again(job, got, seconds, got.retry_after or self._backoff(job.faults))

    def _judge(self, job: Job, got: Exchange, seconds: float) -> None:
        """Validate a reply; a wrong one is asked again, told what was wrong."""
        if got.kind == "refusal":
            job.refusals += 1
            if job.refusals < REFUSALS:
                self._finish(job, got, seconds, "refusal", got.detail, final=False)
            else:
                self._finish(job, got, seconds, "refusal", got.detail)
            return
        if got.kind == "empty" and got.finish == "stop" and job.request.schema is None:
            # A model that ends its turn at once has said something: nothing.
            got = got._replace(kind="reply")
        if got.kind != "reply":
            self._unanswered(job, got, seconds)
            return
        reply = read_reply(got.text, job.request.schema)
        if reply.error is None:
            self._finish(job, got, seconds, value=reply.value)
        elif got.finish == "length":
            detail = f"cut after max_tokens ({job.max_tokens}) before its JSON closed"
            last, job.longer = job.longer, True
            if got.completion_tokens is not None and got.completion_tokens < job.max_tokens:
                detail = (
                    f"cut after {got.completion_tokens} tokens, before max_tokens ({job.max_tokens}): the model's "
                    "context is full; shorten the prompt or the row"
                )
                last = True
            self._finish(job, got, seconds, "length", detail, final=last)
        else:
            job.wrong += 1
            last = job.wrong > self._settings.corrections
            self._finish(job, got, seconds, reply.error, reply.detail, final=last)

    def _unanswered(self, job: Job, got: Exchange, seconds: float) -> None:
        """Ask again after an answer without a reply; one whose tokens are counted was a call of its own."""
        job.faults += 1
        delay = self._backoff(job.faults)
        if job.faults >= self._settings.attempts:
            self._finish(job, got, seconds, got.kind, got.detail)
        elif got.completion_tokens:
            self._finish(job, got, seconds, got.kind, got.detail, final=False, delay=delay)
        else:
            self._again(job, got, seconds, delay)

    def _finish(
        self,
        job: Job,
        got: Exchange,
        seconds: float,
        error: str | None = None,
        detail: str = "",
        *,
        value: Any = None,
        final: bool = True,
        delay: float = 0.0,
    ) -> None:
        plain = job.request.schema is None
        self._finished.append(
            Completion(
                request=job.request.id,
                text=got.text,
                value=value,
                finish_reason=_finish_reason(error, got.finish),
                prompt_tokens=got.prompt_tokens,
                completion_tokens=got.completion_tokens,
                seconds=seconds,
                method=TEXT if plain else self._shape.mode,
                error=error,
                detail=detail,
                final=final,
                sent=job.turns if job.turns is not job.request.messages else None,
                cached_tokens=got.cached_tokens,
                reasoning_tokens=got.reasoning_tokens,
                cost=self._settings.cost(got),
                server=got.server,
                tries=tuple(job.tries),
            )
        )
        if not final:
            # Asking once more is a call of its own, which may be one too many.
            if not self._permit([job.request]):
                self._stopped = True
                return
            job.tries = []
            self._prepare_correction(job, got, error, detail)
            self._put_off(job, delay)

    def _prepare_correction(self, job: Job, got: Exchange, error: str | None, detail: str) -> None:
        turns = self._shape.turns(job.request)
        if error == "length":
            job.max_tokens *= 2
        elif got.kind == "reply":
            said = Message("assistant", got.text[:4000])
            wish = f"That was not usable: {detail[:300]} Reply again with JSON that fits the schema, and nothing else."
            job.turns = (*turns, said, Message("user", wish))

    def _again(self, job: Job, got: Exchange, seconds: float, delay: float) -> None:
        job.tries.append(FailedExchange(got.kind, got.status, round(seconds, 3), got.detail))
        self._put_off(job, delay)

    def _put_off(self, job: Job, delay: float) -> None:
        self._number += 1
        heapq.heappush(self._later, (time.monotonic() + delay, self._number, job))

    def _backoff(self, times: int) -> float:
        longest: float = min(LONGEST_BACKOFF, BACKOFF * 2 ** max(0, times - 1))
        return longest * random.uniform(0.5, 1.0)


def _finish_reason(error: str | None, finish: str) -> Any:
    if error is None:
        return "length" if finish == "length" else "stop"
    if error in {"length", "refusal"}:
        return error
    return "stop" if finish == "stop" else "error"


def dispatched(
    make: Callable[[Request, Iterator[Request]], Any],
    requests: Iterable[Request],
    answered: Container[str],
) -> Iterator[list[Completion]]:
    """Run a dispatch to its end, yielding completions as they finish; what is under way is given up on Ctrl-C.

    `make` takes the first request and all of them, opens the connection and returns the dispatch and the coroutine
    that closes it.

    Raises:
        BackendError: see `Generator.complete_many`; completions that were there before are yielded first.
    """
    missing = (request for request in requests if request.id not in answered)
    first = next(missing, None)
    if first is None:
        return
    with _rare_collections(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        dispatch, close = runner.run(make(first, _chained(first, missing)))
        try:
            while group := runner.run(dispatch.group()):
                yield group
        except (KeyboardInterrupt, BackendError):
            if rest := dispatch.take():
                yield rest
            raise
        finally:
            runner.run(close())


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for cyclic garbage only after many new objects.

    Hundreds of requests under way are thousands of objects that are no garbage: looking through them after every
    700 new ones, as Python does by itself, takes a sixth of the client's time. Requests leave no cycles behind.
    """
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _chained(first: Request, rest: Iterator[Request]) -> Iterator[Request]:
    yield first
    yield from rest


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
