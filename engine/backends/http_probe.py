"""Small calls that find something out: how a server takes a schema, and whether one that was away is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from engine.backends.http_reply import FATAL, OUTAGE, Exchange
from engine.backends.http_server import Server
from engine.backends.http_shape import Mode, Shape
from engine.backends.protocol import Message, Request
from engine.backends.structured import parse_json, read_reply

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["qx7"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
"""No model says this unless it is made to."""
TOKENS = 64
TWICE = 2
"""How often a way is tried: one bad reply must not choose a worse way for the whole run."""
PROSE = (Message("user", "Write one plain sentence about a colour, and no JSON."),)
"""For JSON mode: words that ask for JSON would be followed without it, too."""
REQUEST = Request((Message("user", "Name a colour, as JSON."),), SCHEMA, TOKENS, 0.0, "probe")


async def found_way(
    server: Server, shapes: Sequence[Shape], attempts: int, patience: float
) -> Shape:
    """Return the first of these ways of asking for structure that the server honours; the last needs no test.

    Raises:
        BackendError: no way would help: a wrong key or address, an unknown model, or a server that fails
            `attempts` times or stays busy for `patience` seconds.
    """
    refused: set[Mode] = set()
    for shape in shapes[:-1]:
        if shape.mode == "loose_schema" and "json_schema" not in refused:
            continue  # it mends what was refused, not what was ignored
        for _ in range(TWICE):
            got = await _reply(server, shape, attempts, patience)
            if got.kind == "reply" and _honours(shape.mode, got.text):
                return shape
            if got.kind in FATAL | {"too_long"}:
                refused.add(shape.mode)
                break
    return shapes[-1]


async def is_back(server: Server, shape: Shape) -> tuple[bool, Exchange]:
    """Look whether a server that was away answers again, whatever it says."""
    got = await _ask(server, shape)
    return got.kind not in OUTAGE, got


async def _ask(server: Server, shape: Shape) -> Exchange:
    turns = PROSE if shape.mode == "json_object" else shape.turns(REQUEST)
    got = await server.post(shape.body(REQUEST, turns, TOKENS))
    if shape.mend(got):
        got = await server.post(shape.body(REQUEST, turns, TOKENS))
    return got


async def _reply(server: Server, shape: Shape, attempts: int, patience: float) -> Exchange:
    """Ask until something comes that says how the server takes the schema; raises BackendError."""
    began, faults = time.monotonic(), 0
    while True:
        got = await _ask(server, shape)
        if got.kind in {"reply", "refusal", "schema_refused", "bad_request", "too_long"}:
            return got
        faults += got.kind != "rate_limit"
        waited = time.monotonic() - began + (got.retry_after or 0.0)
        if got.kind in FATAL or faults >= attempts or waited > patience:
            raise server.error(got)
        await _pause(got)


async def _pause(got: Exchange) -> None:
    await asyncio.sleep(got.retry_after if got.retry_after is not None else 1.0)


def _honours(mode: Mode, text: str) -> bool:
    if mode == "json_object":
        try:
            return isinstance(parse_json(text), dict)
        except ValueError:
            return False
    return read_reply(text, SCHEMA).error is None
