"""Requests as bytes: one writer per model and mode, which remembers what the requests of a node share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from engine.backends.http.exchange import Exchange
from engine.backends.http.protocol import ChatProtocol, ChatRequest, Mode
from engine.backends.protocol import Message, Request

_REMEMBERED = 512


class BodyWriter:
    """Writes request bodies for one model in one mode."""

    def __init__(
        self,
        protocol: ChatProtocol,
        mode: Mode,
        model: str,
        extra: Mapping[str, Any],
        quirks: frozenset[str] = frozenset(),
    ) -> None:
        """Take how the server is asked, the model's name, and parameters for every request."""
        self.mode, self.quirks = mode, quirks
        self._protocol, self._model, self._extra = protocol, model, dict(extra)
        self._parameters: dict[int, tuple[Any, dict[str, Any]]] = {}

    def turns(self, request: Request) -> tuple[Message, ...]:
        """Return the turns to send: the request's own, with the schema in words where the mode needs that."""
        if not self.mode.in_words or request.schema is None:
            return request.messages
        words = (
            "Reply with one JSON object and nothing else. It must fit this JSON Schema: "
            + json.dumps(dict(request.schema), ensure_ascii=False)
        )
        first, *rest = request.messages
        if first.role == "system":
            return (Message("system", f"{first.content}\n{words}"), *rest)
        return (Message("system", words), *request.messages)

    def body(
        self, request: Request, turns: Sequence[Message], max_tokens: int, again: int = 0
    ) -> bytes:
        """Return the body of one call; `again` counts earlier unusable replies, which must not come once more."""
        seed = int(request.id[:7], 16) + again if request.temperature > 0 else None
        chat = ChatRequest(self._model, turns, max_tokens, request.temperature, seed, self.quirks)
        body = self._protocol.write(chat)
        if request.schema is not None:
            body.update(self._structure(request.schema))
        body.update(self._extra)
        return orjson.dumps(body)

    def adapt(self, exchange: Exchange) -> bool:
        """Take note of what a server wants otherwise than usual; return whether its refusal said anything new."""
        if exchange.status not in {400, 422}:
            return False
        new = {
            name
            for name, pattern in self._protocol.quirks.items()
            if name not in self.quirks and pattern.search(exchange.detail)
        }
        self.quirks |= new
        return bool(new)

    def _structure(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        # By identity: the requests of a node share their schema, and hashing it would cost more than the rest.
        known = self._parameters.get(id(schema))
        if known is not None and known[0] is schema:
            return known[1]
        parameters = {
            key: orjson.Fragment(orjson.dumps(value))
            for key, value in self.mode.parameters(schema).items()
        }
        if len(self._parameters) >= _REMEMBERED:
            self._parameters.clear()
        self._parameters[id(schema)] = (schema, parameters)
        return parameters
