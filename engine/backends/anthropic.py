"""The backend `anthropic`: models at a server that speaks the Anthropic Messages API, and that protocol itself.

Written after its public documentation (platform.claude.com/docs/en/api/messages, …/errors), version 2023-06-01.
A schema is sent as the input of one tool that must be used; whatever comes back, the reply is validated again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from engine.backends.http.complaint import complaint_of
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
from engine.backends.http.quirks import Quirk
from engine.backends.http.settings import ServerSettings
from engine.backends.protocol import Usage
from engine.bounds import is_storable
from engine.servers import ServerUrl
from engine.turns.tools import Said, in_assistant_words, native

VERSION = "2023-06-01"
TOOL_NAME = "reply"
NO_TEMPERATURE = "no temperature"
"""The quirk of newer models, and of models that think: they take no temperature, or none but 1."""
HIGHEST_TEMPERATURE = 1.0
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
"""Stop reason -> why the text ended; others keep their name."""
_KINDS: Mapping[int, Kind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    408: "server_error",
    407: "proxy",
    409: "server_error",
    413: "too_long",
    429: "rate_limit",
}
_SPENT = re.compile(
    r"credit balance|specified (workspace )?API usage limits|enforced_spend_limit_reached", re.I
)
"""How the server says that credit has run out; retrying is no use then, whatever the status."""
_FILTERED = re.compile(r"content filter", re.I)
"""How the server refuses one prompt, or what would be said to it."""
_TOO_LONG = re.compile(r"prompt is too long|exceed.{0,20} context", re.I)
_SCHEMA = re.compile(r"\btools?\b|tool_choice|input_schema", re.I)


class AnthropicSettings(ServerSettings):
    """Settings of a model behind a server that speaks the Anthropic Messages API."""

    base_url: ServerUrl
    """Up to where /v1/messages begins: `https://api.anthropic.com`."""
    structured: Literal["auto", "tool", "prompt"] = "auto"
    """How the server is told the schema of a reply; `auto` finds out with one small call."""


# How a request is written.


def headers(key: str) -> dict[str, str]:
    """Return the version, and what tells the server the key."""
    version = {"anthropic-version": VERSION}
    return {**version, "x-api-key": key} if key else version


def write(chat: ChatRequest) -> dict[str, Any]:
    """Return the body of a request, but for its structure; seeds are not known to these servers."""
    told = native(chat.turns, parsed=True)
    system = "\n".join(m["content"] for m in told.messages if m["role"] == "system")
    body: dict[str, Any] = {
        "model": chat.model,
        "max_tokens": chat.max_tokens,
        "messages": _messages(told.messages),
    }
    if system:
        body["system"] = system
    if told.tools:
        body["tools"] = [_defined(tool["function"]) for tool in told.tools]
    if NO_TEMPERATURE not in chat.quirks:
        body["temperature"] = min(chat.temperature, HIGHEST_TEMPERATURE)
    return body


def _defined(function: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition of the OpenAI format as this protocol has it."""
    empty = {"type": "object", "properties": {}}
    told = {"description": function["description"]} if function.get("description") else {}
    return {
        "name": function["name"],
        **told,
        "input_schema": function.get("parameters") or empty,
    }


def _messages(turns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages of the OpenAI format with calls and answers of tools as blocks, answers in one user turn."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        if turn["role"] == "tool":
            block = {
                "type": "tool_result",
                "tool_use_id": turn["tool_call_id"],
                "content": turn["content"],
            }
            last = messages[-1] if messages else {}
            if last.get("role") == "user" and isinstance(last["content"], list):
                last["content"].append(block)
            else:
                messages.append({"role": "user", "content": [block]})
        elif "tool_calls" in turn:
            said = [{"type": "text", "text": turn["content"]}] if turn["content"].strip() else []
            used = [
                {
                    "type": "tool_use",
                    "id": call["id"],
                    "name": call["function"]["name"],
                    "input": call["function"]["arguments"],
                }
                for call in turn["tool_calls"]
            ]
            messages.append({"role": "assistant", "content": [*said, *used]})
        elif turn["role"] != "system":
            messages.append({"role": turn["role"], "content": turn["content"]})
    return messages


def _tool(schema: Mapping[str, Any]) -> dict[str, Any]:
    tool = {
        "name": TOOL_NAME,
        "description": "Gives the reply.",
        "input_schema": dict(schema),
    }
    choice = {"type": "tool", "name": TOOL_NAME, "disable_parallel_tool_use": True}
    return {"tools": [tool], "tool_choice": choice}


FORCED_TOOL = Mode("tool", _tool)
"""One tool, whose input is the reply, and no choice but to use it."""


# What answers mean.


def read(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    """Return what an answer means; see `ChatProtocol.read`."""
    if status != 200:
        return _failure(status, headers, body)
    try:
        answer = parsed(body)
    except ValueError as problem:
        return bad_body(status, body, problem)
    content = answer.get("content") if isinstance(answer, Mapping) else None
    if not isinstance(content, list):
        detail = storable(f"no content in the answer: {str(answer)[:SHOWN]}")
        return Exchange("empty", status=status, detail=detail)
    stop = str(answer.get("stop_reason") or "")
    text = storable(_text(content))
    exchange = Exchange(
        "reply",
        text,
        _FINISH.get(stop, stop),
        status,
        usage=_usage(answer.get("usage")),
        server=storable(str(answer.get("model") or ""))[:200],
        turn=storable(_turn(content)),
    )
    if stop == "refusal":
        return exchange._replace(kind="refusal", detail=_refusal(answer))
    if not text.strip():
        if exchange.finish == "length":
            return exchange._replace(detail="cut before it said anything")
        return exchange._replace(kind="empty", detail="the answer holds no text")
    return exchange


def _text(content: list[Any]) -> str:
    """Return the input of the tool that was used as JSON, or else what was said; thinking is neither."""
    blocks = [block for block in content if isinstance(block, Mapping)]
    for block in blocks:
        if block.get("type") == "tool_use":
            return json.dumps(block.get("input"), ensure_ascii=False)
    return "".join(_words(blocks))


def _turn(content: list[Any]) -> str:
    """Return what was said with the tools that it calls, in words; empty where it calls none."""
    blocks = [block for block in content if isinstance(block, Mapping)]
    calls = tuple(
        json.dumps({"name": block.get("name"), "arguments": block.get("input")}, ensure_ascii=False)
        for block in blocks
        if block.get("type") == "tool_use"
    )
    return in_assistant_words(Said("".join(_words(blocks)), calls)) if calls else ""


def _words(blocks: list[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block.get("type") == "text" and isinstance(block.get("text"), str):
            yield block["text"]


def _refusal(answer: Mapping[str, Any]) -> str:
    details = answer.get("stop_details")
    reason = details.get("explanation") if isinstance(details, Mapping) else None
    return storable(str(reason or "the model refuses to answer"))[:SHOWN]


def _usage(usage: Any) -> Usage:
    """Return the tokens; those that were read from the cache, or written to it, come on top of `input_tokens`."""
    fresh, cached = count(usage, "input_tokens"), count(usage, "cache_read_input_tokens")
    stored = count(usage, "cache_creation_input_tokens")
    prompt = None if fresh is None else fresh + (cached or 0) + (stored or 0)
    if prompt is not None and not is_storable(prompt):
        prompt = None
    return Usage(prompt, count(usage, "output_tokens"), cached)


def _failure(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    detail = shown(body)
    kind = _kind(status, detail)
    wait = retry_after(headers) if kind in {"rate_limit", "server_error"} else None
    said = complaint_of(body)
    return Exchange(kind, status=status, detail=detail, retry_after=wait, complaint=said)


def _kind(status: int, detail: str) -> Kind:
    if _SPENT.search(detail):
        return "quota"
    if status in _KINDS:
        return _KINDS[status]
    if status >= 500:
        return "server_error"
    if status == 404 and "not_found_error" in detail and "model" in detail:
        return "unknown_model"
    if 300 <= status < 400 or status in {404, 405}:
        return "bad_address"
    if _TOO_LONG.search(detail):
        return "too_long"
    if _FILTERED.search(detail):
        return "refusal"
    return "schema_refused" if _SCHEMA.search(detail) else "bad_request"


PROTOCOL = ChatProtocol(
    path="/v1/messages",
    base="usually after the host",
    headers=headers,
    modes=(FORCED_TOOL, WORDS),
    tried=(FORCED_TOOL, WORDS),
    write=write,
    read=read,
    quirks={
        NO_TEMPERATURE: Quirk(
            frozenset({"temperature"}),
            re.compile(r"temperature.{0,80}(deprecated|not supported|only be set)", re.I),
            "takes no `temperature`, or none but its own: none is sent, so replies vary as its models do by default",
        )
    },
)
BACKEND = server_backend("anthropic", PROTOCOL, AnthropicSettings, pack="frontier")
