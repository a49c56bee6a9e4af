"""Small calls that find something out: how a server takes a schema, and whether one that was away is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from engine.backends.http.body import Mode, Shape
from engine.backends.http.connection import Server
from engine.backends.http.response import FATAL, OUTAGE, Exchange
from engine.backends.protocol import Completion, Message, Request
from engine.backends.structured import parse_json, read_reply

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["qx7"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
"""No model says this unless it is made to."""
TOKENS = 64
PROBE = "probe"
"""The error of a reply to a small call."""
TWICE = 2
"""How often a way is tried: one bad reply must not choose a worse way for the whole run."""
PROSE = (Message("user", "Write one plain sentence about a colour, and no JSON."),)
"""For JSON mode: words that ask for JSON would be followed without it, too."""
REQUEST = Request((Message("user", "Name a colour, as JSON."),), SCHEMA, TOKENS, 0.0, "probe")


class Probe(NamedTuple):
    """One small call and what came of it."""

    shape: Shape
    turns: tuple[Message, ...]
    exchange: Exchange
    seconds: float


def paid(probe: Probe, request: Request, cost: float | None) -> Completion | None:
    """Return a small call as an unusable reply to the request for whose sake it was made; None if it took no tokens.

    So it stands in the ledger, and counts.
    """
    got = probe.exchange
    if not got.completion_tokens:
        return None
    return Completion(
        request=request.id,
        text=got.text,
        value=None,
        finish_reason="stop" if got.finish == "stop" else "error",
        prompt_tokens=got.prompt_tokens,
        completion_tokens=got.completion_tokens,
        seconds=probe.seconds,
        method=probe.shape.mode,
        error=PROBE,
        detail="a small call with a schema of its own, to find out how the server takes one or whether it is back",
        final=False,
        sent=probe.turns,
        cached_tokens=got.cached_tokens,
        reasoning_tokens=got.reasoning_tokens,
        cost=cost,
        server=got.server,
    )


async def found_way(
    server: Server, shapes: Sequence[Shape], attempts: int, patience: float, probes: list[Probe]
) -> Shape:
    """Return the first of these ways of asking for structure that the server honours; the last needs no test.

    Every call that is made is added to `probes`.

    Raises:
        BackendError: no way would help: a wrong key or address, an unknown model, or a server that fails
            `attempts` times or stays busy for `patience` seconds.
    """
    refused: set[Mode] = set()
    for shape in shapes[:-1]:
        if shape.mode == "loose_schema" and "json_schema" not in refused:
            continue  # it mends what was refused, not what was ignored
        for _ in range(TWICE):
            got = await _reply(server, shape, attempts, patience, probes)
            if got.kind == "reply" and _honours(shape.mode, got.text):
                return shape
            if got.kind in FATAL | {"too_long"}:
                refused.add(shape.mode)
                break
    return shapes[-1]


async def look(server: Server, shape: Shape) -> tuple[bool, Probe]:
    """Look whether a server that was away answers again, whatever it says."""
    probe = await _ask(server, shape)
    return probe.exchange.kind not in OUTAGE, probe


async def _ask(server: Server, shape: Shape) -> Probe:
    turns = PROSE if shape.mode == "json_object" else shape.turns(REQUEST)
    began = time.monotonic()
    got = await server.post(shape.body(REQUEST, turns, TOKENS))
    if shape.mend(got):
        got = await server.post(shape.body(REQUEST, turns, TOKENS))
    return Probe(shape, turns, got, time.monotonic() - began)


async def _reply(
    server: Server, shape: Shape, attempts: int, patience: float, probes: list[Probe]
) -> Exchange:
    """Ask until something comes that says how the server takes the schema; raises BackendError."""
    began, faults = time.monotonic(), 0
    while True:
        probes.append(await _ask(server, shape))
        got = probes[-1].exchange
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
