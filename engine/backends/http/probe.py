"""Small calls that find something out: in which mode a server takes a schema, and whether one that was away is back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine import json_text
from engine.backends.http.body import BodyWriter
from engine.backends.http.connection import Connection
from engine.backends.http.exchange import FATAL, OUTAGE, Exchange
from engine.backends.http.lengths.limits import ReplyLength
from engine.backends.http.patience import CHECK_EVERY, backoff
from engine.backends.http.protocol import Mode
from engine.backends.http.settings import ServerSettings
from engine.backends.http.waiting import Reservations
from engine.backends.protocol import Completion, Message, Request
from engine.backends.replies import PROBE, completion, cut_in_thought, failed
from engine.backends.structured import json_of

WORD = "qx7"
"""No model says this word unless it is made to."""
SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"enum": [WORD]},
        "letter": {"type": "string", "minLength": 1, "maxLength": 2},
        "shades": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 9},
            "minItems": 1,
            "maxItems": 1,
        },
    },
    "required": ["colour", "letter", "shades"],
    "additionalProperties": False,
}
"""With every kind of bound that the engine's schemas have: a server that refuses them must do so here."""
TOKENS = 64
THINKING_TOKENS = 4096
"""For a model that was still thinking after `TOKENS`: what it would have said is not known yet."""
TWICE = 2
"""How often a mode is tried: one bad reply must not condemn the whole run to a worse one."""
PROSE = (Message("user", "Write one plain sentence about a colour, and no JSON."),)
"""For JSON mode: words that ask for JSON would be followed without it, too."""
REQUEST = Request((Message("user", "Name a colour, as JSON."),), SCHEMA, TOKENS, 0.0, "probe")
TELLING = frozenset({"reply", "refusal", "schema_refused", "bad_request", "too_long"})
"""Kinds of answers that say how the server takes the schema."""


class Probe(NamedTuple):
    """One small call and what came of it."""

    mode: Mode
    turns: tuple[Message, ...]
    exchange: Exchange
    seconds: float

    @property
    def healthy(self) -> bool:
        """Whether the server answered, whatever it said."""
        return self.exchange.kind not in OUTAGE


async def send(connection: Connection, writer: BodyWriter, tokens: int = TOKENS) -> Probe:
    """Make a small call."""
    turns = PROSE if writer.mode.promises == "json" else writer.turns(REQUEST)
    began, quirks, length = time.monotonic(), writer.quirks, ReplyLength(tokens)
    while True:
        known, asked = quirks.met, quirks.limits.ask(length, turns)
        exchange = await connection.post(writer.body(REQUEST, turns, asked))
        if not quirks.learn(exchange, known, length, turns):
            return Probe(writer.mode, writer.as_sent(turns), exchange, time.monotonic() - began)


def probe_completion(probe: Probe, request: Request, settings: ServerSettings) -> Completion | None:
    """Return a small call as an unusable reply to the request for whose sake it was made; None if it took no tokens.

    So it is in the ledger, and counts.
    """
    exchange = probe.exchange
    if not exchange.usage.completion_tokens:
        return None
    why = "a small call with a schema of its own, to find out how the server takes one or whether it is back"
    return completion(
        request,
        failed(PROBE, why),
        text=exchange.text,
        finish=exchange.finish,
        usage=exchange.usage,
        seconds=probe.seconds,
        method=probe.mode.name,
        final=False,
        sent=probe.turns,
        cost=settings.cost(exchange.usage),
        server=exchange.server,
    )


class Prober:
    """Makes small calls, each reserved and counted like any other."""

    def __init__(
        self,
        connection: Connection,
        settings: ServerSettings,
        reservations: Reservations,
        finish: Callable[[Completion], None],
    ) -> None:
        """Take where they go, who allows them, and what takes those that cost something."""
        self._connection, self._settings = connection, settings
        self._reservations, self._finish = reservations, finish
        self._tokens = TOKENS

    async def call(self, writer: BodyWriter, request: Request) -> Probe | None:
        """Make a small call for the sake of a request; None where the budget does not allow it."""
        if not self._reservations.take(request):
            return None
        probe = await send(self._connection, writer, self._tokens)
        done = probe_completion(probe, request, self._settings)
        if done is None:
            self._reservations.give_back()
        else:
            self._finish(done)
        return probe

    async def detect_mode(
        self, writers: Sequence[BodyWriter], request: Request
    ) -> BodyWriter | None:
        """Return the first of these ways of asking for structure that the server honours; the last needs no test.

        Args:
            writers: One for each mode, best first.
            request: For whose sake the small calls are made.

        Returns:
            None where the budget stopped it.

        Raises:
            BackendError: no mode would help: a wrong key or address, an unknown model, or a server that fails
                `attempts` times or stays busy for longer than `patience_s`.
        """
        refused: set[str] = set()
        waited = 0.0
        for writer in writers[:-1]:
            mode = writer.mode
            if mode.instead_of and mode.instead_of not in refused:
                continue  # it helps where the other was refused, not where it was ignored
            for _ in range(TWICE):
                exchange, waited = await self._until_told(writer, request, waited)
                if exchange is not None and self._wants_to_think(exchange):
                    exchange, waited = await self._until_told(writer, request, waited)
                if exchange is None:
                    return None
                if exchange.kind == "reply" and _honours(mode, exchange.text):
                    return writer
                if exchange.kind in FATAL | {"too_long"}:
                    refused.add(mode.name)
                    break
        return writers[-1]

    def _wants_to_think(self, exchange: Exchange) -> bool:
        """Return whether a small call was cut in the model's thinking; those that follow leave room for it."""
        cut = self._tokens if exchange.finish == "length" else 0
        thinks = exchange.kind == "reply" and cut_in_thought(
            exchange.text, cut, exchange.usage.reasoning_tokens
        )
        again = thinks and self._tokens == TOKENS
        if again:
            self._tokens = THINKING_TOKENS
        return again

    async def _until_told(
        self, writer: BodyWriter, request: Request, waited: float
    ) -> tuple[Exchange | None, float]:
        """Call until the answer tells something; return it, None where the budget stopped that, and the waits so far.

        Raises:
            BackendError: see `detect_mode`.
        """
        tries, faults = 0, 0
        while (probe := await self.call(writer, request)) is not None:
            exchange = probe.exchange
            if exchange.kind in TELLING:
                return exchange, waited
            tries += 1
            faults += exchange.kind != "rate_limit"
            if exchange.kind in FATAL or faults >= self._settings.attempts:
                raise self._connection.error(exchange)
            delay = exchange.retry_after or backoff(tries)
            if waited + delay > self._settings.patience_s:
                raise self._connection.error(exchange, waited, delay)
            waited += delay
            if not await self._sleep(delay):
                break
        return None, waited

    async def _sleep(self, seconds: float) -> bool:
        """Wait, asking from time to time whether the budget still allows it; return whether it does."""
        end = time.monotonic() + seconds
        while self._reservations.stand():
            left = end - time.monotonic()
            if left <= 0:
                return True
            await asyncio.sleep(min(left, CHECK_EVERY))
        return False


def _honours(mode: Mode, text: str) -> bool:
    """Return whether a reply keeps to what was asked for; bounds may be broken: some grammars do not know them."""
    try:
        value = json_text.parse(json_of(text))
    except ValueError:
        return False
    return isinstance(value, dict) and (mode.promises == "json" or value.get("colour") == WORD)
