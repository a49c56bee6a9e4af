"""An OpenAI-compatible server on loopback that answers by schema, counts, remembers, and fails by script.

In a test: `with Endpoint(Behaviour(...)) as server:` (a thread). As a process: `python -m tests.servers.endpoint`,
which prints its port; `GET /control/log` and `POST /control/die?seconds=N` reach it there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from aiohttp import web

from engine.fingerprint import short
from tests.servers import answers, replies
from tests.servers.faults import KINDS, MIXED, USABLE, Script
from tests.servers.log import Asked, Log
from tests.servers.replies import Way

_PORTS = range(20_000, 32_000)
"""Below the ports that the system gives to clients: one that calls a dead server must not find itself there."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a server is like; times are seconds."""

    script: Script = field(default_factory=Script)
    latency: float = 0.0
    between: float = 0.0
    """Between the pieces of a reply that is streamed, where the request asks for that."""
    key: str | None = None
    """The API key it wants; None takes any and none."""
    models: tuple[str, ...] = ()
    """Models it has; empty has any."""
    knows: tuple[Way, ...] = (
        "json_schema",
        "structured_outputs",
        "guided_json",
        "json_object",
        "words",
    )
    """Ways of asking for structure that it takes notice of."""
    takes_temperature: bool = True
    """Whether its models do; newer ones of some services answer 400."""
    takes_not: tuple[str, ...] = ()
    """Parameters that it answers 400 to, named; `system` is a system turn."""
    takes_bounds: bool = True
    """Whether a schema may have bounds; else it answers 400."""
    most_values: int | None = None
    """Values that an enumeration may have; else it answers 400 to the schema."""
    says_in: Literal["content", "parts", "reasoning_content"] = "content"
    """Where in a message its replies stand."""
    refuses: bool = False
    """Whether it answers 400 to the other ways; else it ignores them and writes prose."""
    says: tuple[str, ...] = ()
    """What it answers where plain text is asked for, drawn by the messages; empty tells prose."""
    context: int | None = None
    """Tokens of prompt and reply together that it takes."""
    refuses_length: Callable[[int, int], tuple[int, Any] | None] = lambda prompt, reply: None
    """From the tokens of a prompt, and those asked for its reply, to the status and body of a refusal, or None."""
    per_second: float | None = None
    """Replies that it gives in a second; what comes beyond meets 429 with `Retry-After`."""
    retry_after: float = 1.0
    hang: float = 30.0
    """How long a hanging request hangs before its connection drops."""
    slow_at: int | None = None
    """Number of the request, from 0, from which on everything takes `slow_factor` times as long."""
    slow_factor: float = 10.0
    dies_at: int | None = None
    """Number of the request at which it dies, without a word, for `dies_for`."""
    dies_for: float = 0.0


class Service:
    """The server itself; lives in one event loop."""

    def __init__(self, behaviour: Behaviour, port: int = 0) -> None:
        """Take what it is like and its port; 0 finds a free one."""
        self.behaviour, self.port = behaviour, port
        self.log = Log()
        self.under_way, self.most_under_way = 0, 0
        self._attempts: Counter[str] = Counter()
        self._allowed, self._allowed_at = 1.0, time.monotonic()
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._deaths: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to listen."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        self._route(app)
        app.router.add_get("/control/log", self._give_log)
        app.router.add_post("/control/die", self._die)
        app.router.add_route("*", "/{path:.*}", self._wrong_path)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05
        )
        await self._runner.setup()
        await self._listen()

    def _route(self, app: web.Application) -> None:
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._models)

    async def stop(self) -> None:
        """Stop listening and drop what is under way."""
        for task in tuple(self._deaths):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._runner is not None:
            await self._runner.cleanup()

    async def die(self, seconds: float) -> None:
        """Close the listening socket and all connections; come back on the same port after `seconds`."""
        site, self._site = self._site, None
        if site is None or self._runner is None or self._runner.server is None:
            return
        await site.stop()
        for connection in tuple(self._runner.server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(seconds)
        await self._listen()

    def dies(self, seconds: float) -> None:
        """Die in the background."""
        task = asyncio.get_running_loop().create_task(self.die(seconds))
        self._deaths.add(task)
        task.add_done_callback(self._deaths.discard)

    async def _listen(self) -> None:
        if self._runner is None:
            raise RuntimeError("not started")
        listening = _bound(self.port)
        self.port = listening.getsockname()[1]
        self._site = web.SockSite(self._runner, listening, backlog=1024)
        await self._site.start()

    # Answers.

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        entry = self._enter(request, body)
        number = len(self.log) - 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            return await self._answer(request, entry, number)
        finally:
            self.under_way -= 1

    def _enter(self, request: web.Request, body: dict[str, Any]) -> Asked:
        row = replies.row_of(body["messages"])
        attempt = self._attempts[row]
        self._attempts[row] += 1
        entry = Asked(
            row=row,
            key=short(body),
            messages=replies.messages_key(body["messages"]),
            attempt=attempt,
            fault=self.behaviour.script.fault(row, attempt),
            at=time.time(),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        self.log.asked.append(entry)
        return entry

    async def _answer(self, request: web.Request, entry: Asked, number: int) -> web.StreamResponse:
        behaviour = self.behaviour
        if number == behaviour.dies_at:
            self.dies(behaviour.dies_for)
            await asyncio.sleep(60)
        slow = behaviour.slow_at is not None and number >= behaviour.slow_at
        await asyncio.sleep(behaviour.latency * (behaviour.slow_factor if slow else 1.0))
        if not self._may():
            limited = self._limited("rate_limit_after")
            return await self._finish(request, entry, limited, usable=False)
        if entry.fault in ("drop", "hang"):
            await asyncio.sleep(behaviour.hang if entry.fault == "hang" else 0)
            return answers.dropped(request)
        refused = self._refused_length(entry.body) or self._refused(entry)
        if refused is not None:
            return await self._finish(request, entry, refused, usable=False)
        return await self._give(request, entry)

    def _refused_length(self, body: dict[str, Any]) -> web.Response | None:
        reply = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        refused = self.behaviour.refuses_length(replies.prompt_tokens(body), int(reply))
        return refused and web.json_response(refused[1], status=refused[0])

    def _limited(self, fault: str) -> web.Response:
        return answers.rate_limited(fault, self.behaviour.retry_after)

    def _refused(self, entry: Asked) -> web.Response | None:
        return self._refusal(entry) or answers.refusals(entry, self.behaviour.retry_after)

    async def _give(self, request: web.Request, entry: Asked) -> web.StreamResponse:
        """Give a reply, as the fault has it."""
        behaviour = self.behaviour
        way, schema = replies.schema_asked(entry.body)
        if way is not None and way not in behaviour.knows:
            if behaviour.refuses:
                return await self._finish(request, entry, answers.unknown_way(way), usable=False)
            way, schema = None, None
        if not behaviour.takes_bounds and replies.has_bounds(entry.body.get("response_format")):
            return await self._finish(request, entry, answers.refuses_bounds(), usable=False)
        most = behaviour.most_values
        if most is not None and replies.has_values(entry.body.get("response_format"), most + 1):
            return await self._finish(request, entry, answers.refuses_values(most), usable=False)
        found = replies.envelope(entry.body, schema, entry.fault, prose=way is None)
        replies.put(found, behaviour.says_in)
        if plain := way is None and bool(behaviour.says):
            said = behaviour.says[int(entry.messages, 16) % len(behaviour.says)]
            found["choices"][0]["message"]["content"] = said
        if entry.fault == "truncated_body":
            return await answers.truncated(request, json.dumps(found).encode())
        usable = (way is not None or plain) and (entry.fault is None or entry.fault in USABLE)
        if entry.body.get("stream") and entry.fault is None:
            return await self._stream(request, entry, found)
        return await self._finish(request, entry, answers.reply(entry.fault, found), usable)

    def _may(self) -> bool:
        """Return whether the rate limit lets one more through: a bucket that holds a tenth of a second's replies."""
        rate = self.behaviour.per_second
        if rate is None:
            return True
        now = time.monotonic()
        grown = self._allowed + (now - self._allowed_at) * rate
        self._allowed, self._allowed_at = min(grown, max(1.0, rate / 10)), now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True

    def _refusal(self, entry: Asked) -> web.Response | None:
        """Return what a server says that knows neither the key nor the model, or finds the prompt too long."""
        behaviour, body = self.behaviour, entry.body
        given = entry.headers.get("authorization", "").removeprefix("Bearer ")
        if behaviour.key is not None and given != behaviour.key:
            return answers.unauthorized(given)
        if behaviour.models and body.get("model") not in behaviour.models:
            return answers.unknown_model(body.get("model"))
        asked = {*body, *(turn["role"] for turn in body["messages"])}
        if refused := [name for name in behaviour.takes_not if name in asked]:
            return answers.unsupported(refused[0])
        if behaviour.context is not None:
            length = replies.prompt_tokens(body)
            wanted = body.get("max_completion_tokens") or body.get("max_tokens") or 0
            if length + int(wanted) > behaviour.context:
                return answers.too_long(behaviour.context, length)
        return None

    async def _finish(
        self, request: web.Request, entry: Asked, response: web.Response, usable: bool
    ) -> web.StreamResponse:
        """Write a response out whole, and note it at the last moment before a client can see its end."""
        await response.prepare(request)
        entry.done, entry.answered = time.time(), usable
        try:
            await response.write_eof()
        except BaseException:
            entry.done, entry.answered = None, False
            raise
        return response

    async def _stream(
        self, request: web.Request, entry: Asked, found: dict[str, Any]
    ) -> web.StreamResponse:
        """Write a reply out piece by piece, as it was asked for."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        wanted = entry.body.get("stream_options") or {}
        for event in replies.events_of(found, usage=bool(wanted.get("include_usage"))):
            await response.write(event.encode())
            await asyncio.sleep(self.behaviour.between)
        entry.done, entry.answered = time.time(), True
        await response.write_eof()
        return response

    async def _models(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.behaviour.key is not None and given != self.behaviour.key:
            return answers.unauthorized(given)
        names = self.behaviour.models or ("any",)
        context = self.behaviour.context
        length = {} if context is None else {"max_model_len": context}
        listed = [{"id": name, "object": "model", "owned_by": "test", **length} for name in names]
        return web.json_response({"object": "list", "data": listed})

    async def _give_log(self, request: web.Request) -> web.Response:
        return web.json_response([asdict(each) for each in self.log.asked])

    async def _die(self, request: web.Request) -> web.Response:
        self.dies(float(request.query["seconds"]))
        return web.json_response({})

    async def _wrong_path(self, request: web.Request) -> web.Response:
        return answers.wrong_path()


def _bound(port: int) -> socket.socket:
    """Return a bound socket on loopback; tries for a while where somebody has the port."""
    draw = random.Random()
    for _ in range(200):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port or draw.choice(_PORTS)))
        except OSError:
            found.close()
            time.sleep(0.01)
        else:
            return found
    raise RuntimeError(f"no free port (wanted {port})")


class Endpoint:
    """A server in a thread of its own, for the length of a `with` block."""

    def __init__(
        self, behaviour: Behaviour | None = None, service: type[Service] = Service
    ) -> None:
        """Take what the server is like, and what it speaks."""
        self._service = service(behaviour or Behaviour())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Endpoint:
        self._thread.start()
        self._do(self._service.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._service.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    @property
    def root(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self._service.port}"

    @property
    def url(self) -> str:
        """The base URL that clients of OpenAI's protocol want."""
        return f"{self.root}/v1"

    @property
    def log(self) -> Log:
        """What came in so far."""
        return self._service.log

    @property
    def most_under_way(self) -> int:
        """The most requests that were in the server at once."""
        return self._service.most_under_way

    def die(self, seconds: float) -> None:
        """Be gone for `seconds`, from now; returns at once."""
        self._loop.call_soon_threadsafe(self._service.dies, seconds)

    def behave(self, behaviour: Behaviour) -> None:
        """Be like this from now on."""
        self._service.behaviour = behaviour


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="An OpenAI-compatible server that fails by script."
    )
    parser.add_argument("--port", type=int, default=0, help="0 finds a free one")
    parser.add_argument("--fault", choices=KINDS, help="what goes wrong with every request")
    parser.add_argument("--rate", type=float, default=0.0, help="share of askings that go wrong")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=MIXED)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--knows", nargs="+", default=Behaviour().knows)
    parser.add_argument("--refuses", action="store_true")
    parser.add_argument("--key")
    parser.add_argument("--models", nargs="*", default=())
    parser.add_argument("--context", type=int)
    parser.add_argument("--per-second", type=float)
    parser.add_argument("--slow-at", type=int)
    parser.add_argument("--dies-at", type=int)
    for name in ("latency", "between", "hang", "retry-after", "slow-factor", "dies-for"):
        default = getattr(Behaviour(), name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=float, default=default, help="seconds")
    return parser.parse_args()


async def _serve(behaviour: Behaviour, port: int) -> None:
    service = Service(behaviour, port)
    await service.start()
    print(service.port, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    given = _arguments()
    script = Script(always=given.fault, rate=given.rate, kinds=tuple(given.kinds), seed=given.seed)
    names = {each.name for each in fields(Behaviour)} - {"script"}
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(given).items()
        if name in names
    }
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(Behaviour(script, **settings), given.port))


if __name__ == "__main__":
    main()
