"""What each exchange leads to for its request: a reply, a failure, or another try. Decides; sends nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from engine.backends.http.body import BodyWriter
from engine.backends.http.exchange import Exchange
from engine.backends.http.lengths.limits import ReplyLength
from engine.backends.http.patience import Waits, backoff
from engine.backends.http.settings import ServerSettings
from engine.backends.protocol import FailedExchange, Message, Request
from engine.backends.replies import CUT, failed, read
from engine.backends.structured import Reply

REFUSALS = 2
"""How often a request is sent that the model refuses."""
_ANSWERED = 200


@dataclass(slots=True)
class RequestState:
    """One request from its first sending to its last word."""

    request: Request
    turns: tuple[Message, ...]
    """What is sent, corrections included."""
    length: ReplyLength
    """Of the reply, as it is asked for."""
    writer: BodyWriter
    """Writes it, in the mode in which its schema is asked for."""
    waits: Waits = field(default_factory=Waits)
    tries: list[FailedExchange] = field(default_factory=list)
    faults: int = 0
    """Attempts that the server's faults used up."""
    busy: int = 0
    """How often it was told to come back later (429)."""
    wrong: int = 0
    """Replies that did not fit the schema."""
    refusals: int = 0
    longer: bool = False
    """Whether it was given more tokens already."""

    @property
    def unusable(self) -> int:
        """How many replies must not come again."""
        return self.wrong + self.refusals


class Outcome(NamedTuple):
    """What an exchange means for its request."""

    reply: Reply
    """A value, or why there is none."""
    again: float | None = None
    """Seconds after which the request is sent again; None where this was the last word."""
    counts: bool = True
    """Whether the exchange counts as a call even though another follows it."""


def after_rate_limit(state: RequestState, exchange: Exchange) -> Outcome:
    """Return what follows from a 429: the request waits, and no attempt is used up."""
    state.busy += 1
    return Outcome(_failure(exchange), exchange.retry_after or backoff(state.busy), counts=False)


def after_fault(
    state: RequestState, exchange: Exchange, settings: ServerSettings, away: bool
) -> Outcome:
    """Return what follows from a failure of the server; while it is away every request would fail, so none counts."""
    state.faults += not away
    if state.faults >= settings.attempts:
        return Outcome(_failure(exchange))
    delay = exchange.retry_after or backoff(state.faults)
    return Outcome(_failure(exchange), delay, counts=False)


def after_answer(state: RequestState, exchange: Exchange, settings: ServerSettings) -> Outcome:
    """Return what follows from the answer of a server that works."""
    if exchange.kind == "refusal":
        state.refusals += 1
        # A model may change its mind; a filter that refused the prompt itself reads the same prompt again.
        again = exchange.status == _ANSWERED and state.refusals < REFUSALS
        return Outcome(_failure(exchange), 0.0 if again else None)
    if exchange.kind == "empty" and exchange.finish == "stop" and state.request.schema is None:
        # A model that ends its turn at once has said something: nothing.
        return Outcome(read(state.request, exchange.text))
    if exchange.kind == "reply":
        return _reply(state, exchange, settings)
    return _no_reply(state, exchange, settings)


def _reply(state: RequestState, exchange: Exchange, settings: ServerSettings) -> Outcome:
    """Validate a reply; a wrong one is asked again, told what was wrong."""
    length = state.length
    cut = length.sent if exchange.finish == "length" else 0
    reasoning = exchange.usage.reasoning_tokens
    reply = read(state.request, exchange.text, cut, reasoning, length.limited)
    if reply.error is None:
        return Outcome(reply)
    if reply.error in CUT:
        full = _context_is_full(state, exchange)
        last, state.longer = bool(state.longer or full or length.limited), True
        return Outcome(failed("length", full) if full else reply, None if last else 0.0)
    state.wrong += 1
    return Outcome(reply, 0.0 if state.wrong <= settings.corrections else None)


def _context_is_full(state: RequestState, exchange: Exchange) -> str:
    tokens = exchange.usage.completion_tokens
    if tokens is None or tokens >= state.length.sent:
        return ""
    return (
        f"cut after {tokens} tokens, before max_tokens ({state.length.sent}): the model's context is full; "
        "shorten the prompt or the row"
    )


def _no_reply(state: RequestState, exchange: Exchange, settings: ServerSettings) -> Outcome:
    """Ask again after an answer without a reply; one whose tokens are counted was a call in itself."""
    state.faults += 1
    if state.faults >= settings.attempts:
        return Outcome(_failure(exchange))
    counts = bool(exchange.usage.completion_tokens)
    return Outcome(_failure(exchange), backoff(state.faults), counts)


def _failure(exchange: Exchange) -> Reply:
    return failed(exchange.kind, exchange.detail)
