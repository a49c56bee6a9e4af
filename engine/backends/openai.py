"""The backend `openai`: models at any server with an OpenAI-compatible chat endpoint, and that protocol itself.

vLLM, SGLang, TGI, Ollama, llama.cpp's server, `transformers serve` and hosted services. Servers differ in how they
take a schema, and some ignore it without a word; with `structured: auto` one small call finds out before the
first request, and the mode is written down with every reply. Outlines' type adapters turn a JSON Schema into the
server's parameter; whatever the mode, the reply is validated again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from engine.backends.entry import ChatEndpoint
from engine.backends.http.model import server_backend
from engine.backends.http.protocol import WORDS, ChatProtocol, ChatRequest, Mode
from engine.backends.http.quirks import NO_SYSTEM, Quirk
from engine.backends.http.settings import ServerSettings
from engine.backends.openai_answers import read
from engine.servers import ServerUrl
from engine.turns.tools import native

ModeName = Literal[
    "json_schema", "object_schema", "loose_schema", "structured_outputs", "json_object", "prompt"
]
NEWER_LIMIT = "max_completion_tokens"
"""Name of the token limit at servers that want it so: a quirk."""
NO_TEMPERATURE = "no temperature"
"""The quirk of models that take no temperature, or none but their own."""
NO_SEED = "no seed"
"""The quirk of servers that know no seeds."""
_BOUNDS = frozenset(
    {
        "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "pattern", "format",
    }
)  # fmt: skip
_REFUSED = (
    r"(not (support|permitted|allowed)|unsupported|unexpected|unknown|unrecogni[sz]ed|extra|deprecated|invalid|"
    r"should|must|only)"
)


def _refuses(parameter: str) -> re.Pattern[str]:
    """Return what the refusal of a parameter says."""
    return re.compile(
        rf"\b{parameter}\b.{{0,80}}{_REFUSED}|{_REFUSED}.{{0,80}}\b{parameter}\b", re.I
    )


QUIRKS: Mapping[str, Quirk] = {
    NEWER_LIMIT: Quirk(
        frozenset({"max_tokens"}),
        re.compile(
            rf"{NEWER_LIMIT}|max_tokens.{{0,40}}(unsupported|not (support|permitted)|extra)", re.I
        ),
        "wants the token limit as `max_completion_tokens`, and is sent it that way",
    ),
    NO_TEMPERATURE: Quirk(
        frozenset({"temperature"}),
        _refuses("temperature"),
        "does not take the `temperature` that it was sent: none is sent, so replies vary as its models do by default",
    ),
    NO_SEED: Quirk(
        frozenset({"seed", "random_seed"}),
        _refuses("seed"),
        "takes no `seed`: none is sent, so a sampled reply does not come again (`seed: false` says so beforehand)",
    ),
    NO_SYSTEM: Quirk(
        frozenset({"messages"}),
        re.compile(
            r"\b(system|developer)\b.{0,20}\b(role|message|prompt|instruction|turn)s?\b.{0,60}(not |n't |unsupported)|"
            r"\brole\b.{0,60}(support|should be|must be).{0,40}(system|user)|"
            r"(invalid|unknown|unexpected|unsupported) (message )?role|roles must alternate",
            re.I,
        ),
        "takes no system turns: their text stands at the beginning of the user's turn",
    ),
}
"""What some servers with this protocol want otherwise."""


class OpenAISettings(ServerSettings):
    """Settings of a model behind an OpenAI-compatible server."""

    base_url: ServerUrl
    """Up to where /chat/completions begins: `http://localhost:8000/v1`."""
    structured: Literal["auto", ModeName] = "auto"
    """How the server is told the schema of a reply; `auto` finds out with one small call."""
    seed: bool = True
    """Whether sampled requests carry a seed, so that the same request may get the same reply."""

    def quirks(self) -> frozenset[str]:
        """Return that the server knows no seeds, where the settings say so."""
        return frozenset() if self.seed else frozenset({NO_SEED})


# How a request is written.


def headers(key: str) -> dict[str, str]:
    """Return what tells the server the key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def write(chat: ChatRequest) -> dict[str, Any]:
    """Return the body of a request, but for its structure."""
    limit = NEWER_LIMIT if NEWER_LIMIT in chat.quirks else "max_tokens"
    told = native(chat.turns, parsed=False)
    body: dict[str, Any] = {
        "model": chat.model,
        "messages": told.messages,
        limit: chat.max_tokens,
    }
    if told.tools:
        body["tools"] = told.tools
    if NO_TEMPERATURE not in chat.quirks:
        body["temperature"] = chat.temperature
    if chat.seed is not None and NO_SEED not in chat.quirks:
        body["seed"] = chat.seed
    return body


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    from outlines.models.openai import OpenAITypeAdapter
    from outlines.types import JsonSchema

    parameters: dict[str, Any] = OpenAITypeAdapter().format_output_type(JsonSchema(dict(schema)))
    return parameters


def _loose_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    return _response_format(without_bounds(schema))


def _json_object(schema: Mapping[str, Any]) -> dict[str, Any]:
    from outlines.models.openai import OpenAITypeAdapter

    parameters: dict[str, Any] = OpenAITypeAdapter().format_output_type(dict)
    return parameters


def _object_with_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    parameters = _json_object(schema)
    parameters["response_format"] = {**parameters["response_format"], "schema": dict(schema)}
    return parameters


def _structured_outputs(schema: Mapping[str, Any]) -> dict[str, Any]:
    from outlines.models.vllm import VLLMTypeAdapter
    from outlines.types import JsonSchema

    parameters: dict[str, Any] = VLLMTypeAdapter().format_output_type(JsonSchema(dict(schema)))
    return parameters


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


JSON_SCHEMA = Mode("json_schema", _response_format)
"""`response_format`, as OpenAI takes it."""
OBJECT_SCHEMA = Mode("object_schema", _object_with_schema)
"""JSON mode with the schema beside it, as llama-cpp-python takes it."""
LOOSE_SCHEMA = Mode("loose_schema", _loose_format, instead_of="json_schema")
"""`json_schema` without bounds, which some hosted models refuse."""
STRUCTURED_OUTPUTS = Mode("structured_outputs", _structured_outputs)
"""vLLM's parameter."""
JSON_OBJECT = Mode("json_object", _json_object, in_words=True, promises="json")
"""JSON mode, the schema in words."""


PROTOCOL = ChatProtocol(
    path="/chat/completions",
    base="usually in /v1",
    headers=headers,
    modes=(JSON_SCHEMA, OBJECT_SCHEMA, LOOSE_SCHEMA, STRUCTURED_OUTPUTS, JSON_OBJECT, WORDS),
    tried=(JSON_SCHEMA, OBJECT_SCHEMA, LOOSE_SCHEMA, JSON_OBJECT, WORDS),
    write=write,
    read=read,
    quirks=QUIRKS,
)


def endpoint(name: str, settings: OpenAISettings) -> ChatEndpoint:
    """Return where a model can be timed."""
    key = settings.api_key.env if settings.api_key else None
    return ChatEndpoint(settings.base_url, name, key, settings.extra)


BACKEND = server_backend("openai", PROTOCOL, OpenAISettings, endpoint)
