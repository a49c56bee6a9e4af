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
from engine.backends.http.exchange import (
    SHOWN,
    Exchange,
    Kind,
    bad_body,
    count,
    parsed,
    retry_after,
    shown,
    storable,
)
from engine.backends.http.model import server_backend
from engine.backends.http.protocol import WORDS, ChatProtocol, ChatRequest, Mode
from engine.backends.http.settings import ServerSettings
from engine.backends.protocol import Usage
from engine.servers import ServerUrl

ModeName = Literal[
    "json_schema", "object_schema", "loose_schema", "structured_outputs", "json_object", "prompt"
]
NEWER_LIMIT = "max_completion_tokens"
"""Name of the token limit at servers that want it so: a quirk."""
NO_TEMPERATURE = "no temperature"
"""The quirk of models that take no temperature."""
_BOUNDS = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "pattern", "format"}
)
_CONTEXT = re.compile(
    r"context.{0,20}(length|window|size)|maximum.{0,30}tokens|too (long|many tokens)", re.I
)
_SCHEMA = re.compile(
    r"response_format|json_schema|structured|guided|grammar|schema|not permitted|additionalProperties",
    re.I,
)
_MODEL = re.compile(r"\bmodel\b", re.I)


class OpenAISettings(ServerSettings):
    """Settings of a model behind an OpenAI-compatible server."""

    base_url: ServerUrl
    """Up to where /chat/completions begins: `http://localhost:8000/v1`."""
    structured: Literal["auto", ModeName] = "auto"
    """How the server is told the schema of a reply; `auto` finds out with one small call."""


# How a request is written.


def headers(key: str) -> dict[str, str]:
    """Return what tells the server the key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def write(chat: ChatRequest) -> dict[str, Any]:
    """Return the body of a request, but for its structure."""
    limit = NEWER_LIMIT if NEWER_LIMIT in chat.quirks else "max_tokens"
    body: dict[str, Any] = {
        "model": chat.model,
        "messages": [{"role": turn.role, "content": turn.content} for turn in chat.turns],
        limit: chat.max_tokens,
    }
    if NO_TEMPERATURE not in chat.quirks:
        body["temperature"] = chat.temperature
    if chat.seed is not None:
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


# What answers mean.


def read(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    """Return what an answer means; see `ChatProtocol.read`."""
    if status != 200:
        return _failure(status, headers, body)
    if headers.get("Content-Type", "").startswith("text/event-stream"):
        return _stream(body)
    try:
        answer = parsed(body)
    except ValueError as problem:
        return bad_body(status, body, problem)
    return _reply(answer)


def _reply(answer: Any) -> Exchange:
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        detail = storable(f"no choice in the answer: {str(answer)[:SHOWN]}")
        return Exchange("empty", status=200, detail=detail)
    finish = str(choice.get("finish_reason") or "")
    content = storable(text) if isinstance(text, str) else ""
    names = [str(answer[key]) for key in ("model", "system_fingerprint") if answer.get(key)]
    server = storable(" ".join(names))[:200]
    exchange = Exchange("reply", content, finish, 200, usage=_usage(answer), server=server)
    if refusal or finish == "content_filter":
        reason = storable(str(refusal or "the content filter stopped it"))[:SHOWN]
        return exchange._replace(kind="refusal", detail=reason)
    if not content.strip():
        if finish == "length":
            return exchange._replace(detail="cut before it said anything")
        return exchange._replace(kind="empty", detail="the answer holds no text")
    return exchange


def _usage(answer: Mapping[str, Any]) -> Usage:
    usage = answer.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    return Usage(
        prompt_tokens=count(usage, "prompt_tokens"),
        completion_tokens=count(usage, "completion_tokens"),
        cached_tokens=count(usage.get("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens=count(usage.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _stream(body: bytes) -> Exchange:
    """Put an answer together that came as a stream of events, although none was asked for."""
    text: list[str] = []
    last: dict[str, Any] = {}
    finish = ""
    for line in body.splitlines():
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        try:
            event = parsed(data)
            last = {**last, **{k: v for k, v in event.items() if v}}
            for choice in event.get("choices") or []:
                text.append((choice.get("delta") or {}).get("content") or "")
                finish = choice.get("finish_reason") or finish
        except (ValueError, AttributeError, TypeError) as problem:
            return bad_body(200, data, problem)
    if not finish:
        detail = f"the stream ended early: {shown(body)}"
        return Exchange("truncated_body", status=200, detail=detail)
    choices = [{"message": {"content": "".join(text)}, "finish_reason": finish}]
    return _reply({**last, "choices": choices})


def _failure(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    detail = shown(body)
    kind = _kind(status, detail)
    wait = retry_after(headers) if kind in {"rate_limit", "server_error"} else None
    return Exchange(kind, status=status, detail=detail, retry_after=wait)


def _kind(status: int, detail: str) -> Kind:
    if status == 429:
        return "quota" if "insufficient_quota" in detail else "rate_limit"
    if status == 500 and "response_format" in detail:
        # llama-cpp-python's server says so of a way it does not know; the next attempt would hear the same.
        return "schema_refused"
    if status >= 500 or status in {408, 409, 425}:
        return "server_error"
    if 300 <= status < 400 or status == 405:
        return "bad_address"
    if status in {401, 403}:
        return "auth"
    if status == 404:
        return "unknown_model" if _MODEL.search(detail) else "bad_address"
    if status == 413 or _CONTEXT.search(detail):
        return "too_long"
    if _SCHEMA.search(detail):
        return "schema_refused"
    if _MODEL.search(detail) and re.search(
        r"not (found|exist)|unknown|does not exist", detail, re.I
    ):
        return "unknown_model"
    return "bad_request"


PROTOCOL = ChatProtocol(
    path="/chat/completions",
    base="usually in /v1",
    headers=headers,
    modes=(JSON_SCHEMA, OBJECT_SCHEMA, LOOSE_SCHEMA, STRUCTURED_OUTPUTS, JSON_OBJECT, WORDS),
    tried=(JSON_SCHEMA, OBJECT_SCHEMA, LOOSE_SCHEMA, JSON_OBJECT, WORDS),
    write=write,
    read=read,
    quirks={
        NEWER_LIMIT: re.compile(NEWER_LIMIT),
        NO_TEMPERATURE: re.compile(
            r"temperature.{0,80}(not support|unsupported|deprecated|only the default)", re.I
        ),
    },
)


def endpoint(name: str, settings: OpenAISettings) -> ChatEndpoint:
    """Return where a model can be timed."""
    key = settings.api_key.env if settings.api_key else None
    return ChatEndpoint(settings.base_url, name, key, settings.extra)


BACKEND = server_backend("openai", PROTOCOL, OpenAISettings, endpoint)
