"""One model at one server: the client run by whoever reads its completions, and the entry of a kind of server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections.abc import Callable, Container, Coroutine, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

from engine.backends.entry import Backend, ChatEndpoint, ModelRef
from engine.backends.http.body import BodyWriter
from engine.backends.http.client import Client
from engine.backends.http.concurrency import ConcurrencyLimit
from engine.backends.http.connection import Connection, prompt_tokens
from engine.backends.http.lengths.limits import ReplyLimits
from engine.backends.http.protocol import WORDS, ChatProtocol, Mode
from engine.backends.http.quirks import Quirks
from engine.backends.http.settings import ServerSettings
from engine.backends.protocol import Completion, Request, Reserve, always
from engine.errors import BackendError, Interrupted
from engine.servers import way_to
from engine.system import stopping

Answer = TypeVar("Answer")

COLLECT_AFTER = 20_000
"""New objects between two looks for cyclic garbage."""
_collecting = threading.Lock()
_usual: list[tuple[int, int, int]] = []
"""How often Python looks by itself, once for each conversation that goes on; the first is what was set."""


class ServerModel:
    """One model at one server."""

    def __init__(self, ref: ModelRef, settings: ServerSettings, protocol: ChatProtocol) -> None:
        """Take the model's name, the settings, and what the server speaks."""
        self._ref, self._settings, self._protocol = ref, settings, protocol
        name = settings.tokenizer
        count = name and partial(prompt_tokens, tokenizer=name, folder=ref.path)
        limits = ReplyLimits(settings.max_reply, settings.context, count or None)
        self._quirks = Quirks(protocol.quirks, settings.quirks(), limits)
        self._writer: BodyWriter | None = None
        """In the mode that was detected, or is set."""
        self._limit = ConcurrencyLimit(settings.most, settings.concurrency)

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield completions as they come; see `Generator`."""
        missing = (request for request in requests if request.id not in answered)
        first = next(missing, None)
        if first is None:
            return
        client = Client(
            Connection(self._ref, self._settings, self._protocol),
            self._settings,
            self._writers(first),
            first.schema is None or self._writer is not None or self._settings.structured != "auto",
            self._limit,
            chain([first], missing),
            reserve,
        )
        try:
            yield from _completions(client)
        finally:
            if first.schema is not None and client.detected:
                self._writer = client.writer

    def _writers(self, first: Request) -> Sequence[BodyWriter]:
        """Return what writes requests, in the modes that may be used: the best of them first, once it is found out."""
        if first.schema is None:
            # A student is asked for plain text, for which nothing must be found out.
            return [self._in(WORDS)]
        if self._settings.structured != "auto":
            return [self._in(self._protocol.mode(self._settings.structured))]
        modes = self._protocol.tried
        if self._writer is None:
            return [self._in(mode) for mode in modes]
        rest = modes[modes.index(self._writer.mode) + 1 :]
        return [self._writer, *map(self._in, rest)]

    def _in(self, mode: Mode) -> BodyWriter:
        return BodyWriter(self._protocol, mode, self._ref.name, self._settings.extra, self._quirks)


def _completions(client: Client) -> Iterator[list[Completion]]:
    """Run a client to its end, yielding completions as they finish; what is in flight is given up on Ctrl-C.

    Raises:
        BackendError: see `Generator.complete_many`; completions that were there before are yielded first.
        Interrupted: this thread's work was told to end (`engine.system.stopping`).
    """
    with _rare_collections(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            runner.run(_until_told(client.start()))
            while group := runner.run(_until_told(client.group())):
                yield group
        except (KeyboardInterrupt, BackendError, Interrupted):
            if rest := client.take():
                yield rest
            raise
        finally:
            runner.run(client.close())


async def _until_told(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Wait for something, but no longer than until this thread's work is told to end; raises Interrupted then."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    with stopping.heard(partial(loop.call_soon_threadsafe, task.cancel)):
        try:
            return await work
        except asyncio.CancelledError:
            if not stopping.told():
                raise
            task.uncancel()
            raise Interrupted("stopped") from None


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """Let Python look for cyclic garbage only after many new objects.

    Hundreds of requests in flight are thousands of objects that are no garbage: looking through them after every
    700 new ones, as Python does by itself, takes a sixth of the client's time. Requests leave no cycles behind.
    """
    with _collecting:
        _usual.append(gc.get_threshold())
        gc.set_threshold(COLLECT_AFTER, *_usual[0][1:])
    try:
        yield
    finally:
        with _collecting:
            # Of several conversations at once the last one leaves it as the first one found it.
            usual = _usual.pop()
            if not _usual:
                gc.set_threshold(*usual)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def server_backend(
    name: str,
    protocol: ChatProtocol,
    settings: type[ServerSettings],
    endpoint: Callable[[str, Any], ChatEndpoint] | None = None,
    pack: str | None = None,
) -> Backend:
    """Return the entry of one kind of server.

    Args:
        name: Of the backend.
        protocol: What the server speaks.
        settings: Of a model there.
        endpoint: Where a student there can be timed, from the model's name and its settings; None where it cannot.
        pack: The pack for its models, where they are all of one size.
    """

    def generator(ref: ModelRef, chosen: Any) -> ServerModel:
        return ServerModel(ref, chosen, protocol)

    def host(chosen: ServerSettings) -> str:
        return way_to(chosen.base_url)

    def secrets(chosen: ServerSettings) -> tuple[str, ...]:
        return (chosen.api_key.env,) if chosen.api_key else ()

    return Backend(
        name=name,
        roles=("student", "teacher", "judge"),
        settings=settings,
        local=False,
        pack=pack,
        operational=frozenset(settings.model_fields) - {"revision", "extra"},
        host=host,
        address=lambda chosen: chosen.base_url,
        secrets=secrets,
        price=lambda chosen: chosen.price,
        endpoint=endpoint,
        generator=generator,
    )
