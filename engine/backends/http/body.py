"""Requests as an OpenAI-compatible server takes them, in each of the ways of asking for structure.

Outlines' type adapters turn a JSON Schema into the provider's parameter; the rest of the body is the same for
all servers. Whatever the way, the reply is validated again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from engine.backends.http.response import Exchange
from engine.backends.protocol import Message, Request

Mode = Literal[
    "json_schema", "object_schema", "loose_schema", "structured_outputs", "json_object", "prompt"
]
"""json_schema: `response_format`; object_schema: JSON mode with the schema beside it, as llama-cpp-python takes it;
loose_schema: json_schema without bounds, which some hosted models refuse;
structured_outputs: vLLM's parameter; json_object: JSON mode, the schema in words; prompt: words only."""

_BOUNDS = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "pattern", "format"}
)
_REMEMBERED = 512


class Shape:
    """Writes request bodies for one model in one mode."""

    def __init__(self, mode: Mode, model: str, extra: Mapping[str, Any]) -> None:
        """Take how structure is asked for, the model's name, and parameters for every request."""
        self.mode = mode
        self.limit_key = "max_tokens"
        """`max_completion_tokens` at servers that want it so."""
        self._model, self._extra = model, dict(extra)
        self._parameters: dict[int, tuple[Any, dict[str, Any]]] = {}

    @property
    def in_words(self) -> bool:
        """Whether the schema stands in the prompt."""
        return self.mode in {"json_object", "prompt"}

    def turns(self, request: Request) -> tuple[Message, ...]:
        """Return the turns to send: the request's own, with the schema in words where the mode needs that."""
        if not self.in_words or request.schema is None:
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
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.content} for m in turns],
            self.limit_key: max_tokens,
            "temperature": request.temperature,
        }
        if request.temperature > 0:
            # Servers that know it give the same reply again; the others ignore it.
            body["seed"] = int(request.id[:7], 16) + again
        if request.schema is not None:
            body.update(self._structure(request.schema))
        body.update(self._extra)
        return orjson.dumps(body)

    def mend(self, got: Exchange) -> bool:
        """Adapt to a server that wants the token limit under its newer name; return whether that was it."""
        newer = "max_completion_tokens"
        if got.kind != "bad_request" or newer not in got.detail or self.limit_key == newer:
            return False
        self.limit_key = newer
        return True

    def _structure(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        # By identity: the requests of a node share their schema, and hashing it would cost more than the rest.
        known = self._parameters.get(id(schema))
        if known is not None and known[0] is schema:
            return known[1]
        found = {
            key: orjson.Fragment(orjson.dumps(value))
            for key, value in structure(self.mode, schema).items()
        }
        if len(self._parameters) >= _REMEMBERED:
            self._parameters.clear()
        self._parameters[id(schema)] = (schema, found)
        return found


def structure(mode: Mode, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameter by which a server is told the schema, by Outlines' type adapter for it."""
    from outlines.models.openai import OpenAITypeAdapter
    from outlines.models.vllm import VLLMTypeAdapter
    from outlines.types import JsonSchema

    found: dict[str, Any]
    if mode == "prompt":
        return {}
    if mode == "json_object":
        found = OpenAITypeAdapter().format_output_type(dict)
    elif mode == "object_schema":
        found = OpenAITypeAdapter().format_output_type(dict)
        found["response_format"] = {**found["response_format"], "schema": dict(schema)}
    elif mode == "structured_outputs":
        found = VLLMTypeAdapter().format_output_type(JsonSchema(dict(schema)))
    else:
        given = without_bounds(schema) if mode == "loose_schema" else dict(schema)
        found = OpenAITypeAdapter().format_output_type(JsonSchema(given))
    return found


def without_bounds(schema: Any) -> Any:
    """Return a schema without bounds on strings, numbers and arrays; a property of such a name is left alone."""
    if isinstance(schema, list):
        return [without_bounds(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: {name: without_bounds(part) for name, part in value.items()}
        if key in {"properties", "$defs"}
        else value
        if key in {"enum", "const"}
        else without_bounds(value)
        for key, value in schema.items()
        if key not in _BOUNDS
    }
