"""Requests as bytes: one writer per model and mode, which remembers what the requests of a node share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from engine import json_text
from engine.backends.http.protocol import ChatProtocol, ChatRequest, Mode
from engine.backends.http.quirks import NO_SYSTEM, Quirks
from engine.backends.protocol import Message, Request, without_system

_REMEMBERED = 512


class BodyWriter:
    """Writes request bodies for one model in one mode."""

    def __init__(
        self,
        protocol: ChatProtocol,
        mode: Mode,
        model: str,
        extra: Mapping[str, Any],
        quirks: Quirks,
    ) -> None:
        """Take how the server is asked, the model's name, parameters for every request, and the server's quirks."""
        self.mode, self.quirks = mode, quirks
        self._protocol, self._model = protocol, model
        self._extra = {
            name: orjson.Fragment(json_text.written(value))
            for name, value in extra.items()
            if value is not None
        }
        self._unsent = extra.keys() - self._extra.keys()
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

    def as_sent(self, turns: Sequence[Message]) -> tuple[Message, ...]:
        """Return turns as this server takes them."""
        return without_system(turns) if NO_SYSTEM in self.quirks.met else tuple(turns)

    def body(
        self, request: Request, turns: Sequence[Message], max_tokens: int, again: int = 0
    ) -> bytes:
        """Return the body of one call; `again` counts earlier unusable replies, which must not come once more."""
        seed = int(request.id[:7], 16) + again if request.temperature > 0 else None
        chat = ChatRequest(
            self._model,
            self.as_sent(turns),
            max_tokens,
            request.temperature,
            seed,
            self.quirks.met,
        )
        body = self._protocol.write(chat)
        if request.schema is not None:
            body.update(self._structure(request.schema))
        body.update(self._extra)
        for name in self._unsent:
            body.pop(name, None)
        return orjson.dumps(body)

    def _structure(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        # By identity: the requests of a node share their schema, and hashing it would cost more than the rest.
        known = self._parameters.get(id(schema))
        if known is not None and known[0] is schema:
            return known[1]
        parameters = {
            key: orjson.Fragment(json_text.written(value))
            for key, value in self.mode.parameters(schema).items()
        }
        if len(self._parameters) >= _REMEMBERED:
            self._parameters.clear()
        self._parameters[id(schema)] = (schema, parameters)
        return parameters
