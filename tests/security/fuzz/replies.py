"""Mutated replies: of a server, as bytes on the line, and scripted, through a whole run."""

from __future__ import annotations

import json
import shutil
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from engine.backends import BACKENDS
from engine.backends.entry import ModelRef
from engine.backends.protocol import Completion, Message, PendingRequest, Request
from engine.errors import BackendError
from engine.rows import Call
from engine.run.ledger import entry
from engine.store.columns import line, values_of
from tests.e2e.scripted_project import write_project
from tests.security.fuzz.commands import pada
from tests.security.fuzz.mutations import (
    ODD_TEXTS,
    mutated,
    mutated_bytes,
    mutated_text,
    odd,
    text_of,
    written,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"root_cause": {"type": "string", "maxLength": 80}, "n": {"type": "integer"}},
    "required": ["root_cause"],
    "additionalProperties": False,
}
_REPLY = json.dumps({"root_cause": "a word", "n": 1})
BODIES: dict[str, dict[str, Any]] = {
    "openai": {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "system_fingerprint": "f",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": _REPLY,
                    "refusal": None,
                    "tool_calls": [
                        {
                            "id": "t",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                        }
                    ],
                },
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 1},
        },
    },
    "anthropic": {
        "id": "m1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "content": [
            {"type": "text", "text": _REPLY},
            {"type": "tool_use", "id": "t", "name": "reply", "input": json.loads(_REPLY)},
        ],
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 2,
            "cache_creation_input_tokens": 1,
        },
    },
}
MODES = {"openai": ("auto", "json_schema", "json_object"), "anthropic": ("auto", "tool", "prompt")}
_ERROR: dict[str, Any] = {
    "type": "error",
    "error": {
        "message": "no such thing",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "unsupported_value",
    },
}
_HEADERS = (
    "Content-Type: application/json",
    "Content-Type: text/event-stream",
    "Content-Type: x",
    "Content-Type: application/json; charset=nope",
    "Retry-After: 0",
    "Retry-After: -1",
    "Retry-After: nan",
    "Retry-After: 1e999",
    "Retry-After: Fri, 99 Nov 2026",
    "Retry-After: \xff",
    "Content-Encoding: gzip",
    "Content-Encoding: nope",
    "Transfer-Encoding: chunked",
    "Location: /x",
    "Location: http://[",
    "X: " + "y" * 9000,
    "Set-Cookie: a",
    ": x",
    "no colon",
    "Content-Length: 5",
    "Content-Length: x",
    "Content-Length: 99999999999999999999",
)
_STATUS = (
    *[200] * 20,
    200,
    200,
    200,
    200,
    200,
    201,
    204,
    301,
    302,
    400,
    400,
    401,
    404,
    413,
    422,
    429,
    500,
    503,
    529,
    999,
    0,
)


def attempt(number: int, random: Random, folder: Path) -> str:
    """Ask a server that answers strangely, or run a recipe whose replies are strange."""
    if number % 25 == 24:
        return _run(random, folder, whole=True)
    if number % 5 == 4:
        return _run(random, folder, whole=False)
    return _asked(random.choice([*BODIES]), random)


@cache
def _project() -> Path:
    folder = Path.cwd() / "replied"
    write_project(folder, groups=1)
    return folder


def warm() -> None:
    """Write the project."""
    _project()


def _run(random: Random, folder: Path, *, whole: bool) -> str:
    """Plan a recipe with a mutated file of scripted replies, or run it."""
    shutil.copytree(_project(), folder / "p")
    file = folder / "p" / random.choice(("replies.jsonl", "verdicts.jsonl"))
    entries = [json.loads(each) for each in file.read_text("utf-8").splitlines()]
    for each in entries:
        if whole and random.random() < 0.5:
            each["reply"] = mutated(each["reply"], random) if random.random() < 0.6 else odd(random)
        elif whole and random.random() < 0.5:
            del each["reply"]
            each["text"] = random.choice(ODD_TEXTS)
        elif not whole and random.random() < 0.1:
            each.update(mutated(each, random))
    text = "".join(json.dumps(each) + "\n" for each in entries)
    if not whole:
        text = mutated_text(text, random) if random.random() < 0.6 else text
    file.write_bytes(
        written(text) if random.random() < 0.9 else mutated_bytes(text.encode(), random)
    )
    verb = ("run", "--quiet") if whole else ("plan",)
    return f"{verb[0]}: {pada(verb[0], folder / 'p/recipe.yaml', *verb[1:], '--state', folder / '.pada')}"


def _asked(backend: str, random: Random) -> str:
    with _server([_response(backend, random) for _ in range(12)]) as port:
        settings = BACKENDS[backend].parse(
            {
                "base_url": f"http://127.0.0.1:{port}/v1",
                "attempts": 2,
                "patience_s": 0.05,
                "timeout_s": 2,
                "corrections": 1,
                "concurrency": 2,
                "structured": random.choice(MODES[backend]),
                "price": {"prompt": 1, "completion": 2, "cached": 0.5},
            }
        )
        make = BACKENDS[backend].generator
        assert make is not None
        model: Any = make(ModelRef("m", Path.cwd()), settings)
        schema = SCHEMA if random.random() < 0.8 else None
        requests = [
            Request((Message("user", f"say {n}"),), schema, 50, 0.0, "model") for n in range(3)
        ]
        try:
            done = [one for group in model.complete_many(requests, frozenset()) for one in group]
        except BackendError as error:
            return "refused" if str(error) else ""
    by_id = {request.id: request for request in requests}
    for completion in done:
        _kept(by_id[completion.request], completion)
    return "answered" if all(one.error is None for one in done) else "unusable"


def _kept(request: Request, completion: Completion) -> None:
    """Write a reply down as a run does."""
    call = entry("r0001", PendingRequest("node", "teacher", request), completion)
    assert line(Call.table, values_of(call)).endswith(b"]\n")


def _response(backend: str, random: Random) -> bytes:
    """Return what a server sends: status, headers and body, each perhaps not as it should be."""
    status = random.choice(_STATUS)
    tree = BODIES[backend] if status < 300 else _ERROR
    way = random.random()
    if way < 0.25:
        body = written(json.dumps(_with_odd_reply(tree, random)))
    elif way < 0.75:
        body = written(text_of(mutated(tree, random), random))
    elif way < 0.9:
        body = written(mutated_text(json.dumps(tree), random))
    else:
        body = mutated_bytes(json.dumps(tree).encode(), random)
    headers = [
        h.encode("latin-1") for h in random.sample(_HEADERS, random.choice((*[0] * 12, 1, 2)))
    ]
    if (
        not any(h.startswith((b"Content-Length", b"Transfer")) for h in headers)
        and random.random() < 0.9
    ):
        headers.append(b"Content-Length: %d" % len(body))
    head = b"HTTP/1.1 %d X\r\nConnection: close\r\n" % status
    whole = head + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body
    return mutated_bytes(whole, random) if random.random() < 0.05 else whole


def _with_odd_reply(tree: dict[str, Any], random: Random) -> dict[str, Any]:
    text = random.choice(
        (
            json.dumps(mutated(json.loads(_REPLY), random)),
            random.choice(ODD_TEXTS),
            json.dumps(odd(random)),
        )
    )
    return json.loads(json.dumps(tree).replace(json.dumps(_REPLY), json.dumps(text)))  # type: ignore[no-any-return]


@contextmanager
def _server(responses: list[bytes]) -> Iterator[int]:
    """Answer requests with these, one after the other and around again; yields the port."""
    waiting = iter(range(10**6))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.settimeout(2)
            try:
                data = self.request.recv(65536)
                if data:
                    self.request.sendall(responses[next(waiting) % len(responses)])
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
