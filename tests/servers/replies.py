"""What the endpoint answers: JSON that keeps to the schema asked for, in an OpenAI envelope.

Replies depend on the request's body alone: the same request always gets the same reply.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from engine.backends.scripting.values import instance
from engine.fingerprint import short
from tests.servers.faults import dump, spoiled

Way = Literal["json_schema", "structured_outputs", "guided_json", "json_object", "words", "tool"]
"""How a schema is asked for: OpenAI's parameter, vLLM's new and old one, JSON of any kind, the prompt's words; a tool
that must be used, where the Messages API is spoken."""
_MARK = re.compile(r"<<(\w+)>>")
_WORD = re.compile(r"\w+")
_BOUNDS = {"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}
CHARACTERS_PER_TOKEN = 4


CUT = 0
"""Tokens after which replies that are cut were cut; 0 is where the request said, else the context is full."""


def marked(row: object) -> str:
    """Return a mark for a prompt: whatever is added to the messages, the endpoint knows the row by it."""
    return f"<<{row}>>"


def row_of(messages: list[dict[str, Any]]) -> str:
    """Return which row is asked about: the mark in the messages, else a hash of them all."""
    for message in messages:
        found = _MARK.search(str(message.get("content")))
        if found:
            return found.group(1)
    return messages_key(messages)


def messages_key(messages: list[dict[str, Any]]) -> str:
    """Return the hash of a request's messages."""
    return short(messages, 24)


def schema_asked(body: Mapping[str, Any]) -> tuple[Way | None, Any]:
    """Return the way in which a body asks for structure, and the schema where the way holds one."""
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return "json_schema", wanted["json_schema"]["schema"]
    if isinstance(body.get("structured_outputs"), Mapping):
        return "structured_outputs", body["structured_outputs"]["json"]
    if "guided_json" in body:
        return "guided_json", body["guided_json"]
    in_words = next(schemas_in_words(body["messages"]), None)
    if wanted.get("type") == "json_object":
        return "json_object", in_words
    return ("words", in_words) if in_words is not None else (None, None)


def schemas_in_words(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the JSON Schemas that stand in the messages, as a model would find them."""
    decoder = json.JSONDecoder()
    for message in messages:
        text = str(message.get("content"))
        for start in (found.start() for found in re.finditer(r"\{", text)):
            try:
                value, _ = decoder.raw_decode(text, start)
            except ValueError:
                continue
            if isinstance(value, dict) and ("properties" in value or "$ref" in value):
                yield value


def value_for(body: Mapping[str, Any], schema: Mapping[str, Any] | None) -> Any:
    """Return the value that answers a body; without a schema, JSON of some other shape."""
    users = [m["content"] for m in body["messages"] if m["role"] == "user"]
    words = _WORD.findall(users[-1] if users else "") or ["nothing"]
    if schema is None:
        return {"answer": " ".join(words[:5])}
    return instance(schema, random.Random(short(body)), words)


def envelope(
    body: Mapping[str, Any], schema: Mapping[str, Any] | None, fault: str | None, prose: bool
) -> dict[str, Any]:
    """Return a chat completion; `prose` for a server that takes no notice of the schema."""
    text = spoiled("prose" if prose else fault or "", value_for(body, schema))
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if fault == "refusal":
        message = {"role": "assistant", "content": None, "refusal": text}
    if fault == "null_content":
        message["content"] = None
    cut = fault in ("length", "thinking", "hidden_thinking")
    finish = "length" if cut else fault if fault == "content_filter" else "stop"
    found = {
        "id": f"chatcmpl-{short(body)}",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": body.get("model", ""),
        "system_fingerprint": "fp_test",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": usage(body, text),
    }
    if fault == "empty_choices":
        found["choices"] = []
    if cut:
        # Cut where the request said, not where the context ends.
        limit = int(body.get("max_completion_tokens") or body.get("max_tokens") or 0)
        spent = CUT or limit or found["usage"]["completion_tokens"]
        found["usage"] |= {"completion_tokens": spent}
        if fault == "hidden_thinking":
            found["usage"]["completion_tokens_details"] = {"reasoning_tokens": spent}
    if fault == "no_usage":
        del found["usage"]
    return found


def usage(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return usage numbers: a token is four characters, the system message is cached, two tokens are thought."""
    system = "".join(str(m["content"]) for m in body["messages"] if m["role"] == "system")
    prompt, said = prompt_tokens(body), len(text) // CHARACTERS_PER_TOKEN + 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": said + 2,
        "total_tokens": prompt + said + 2,
        "prompt_tokens_details": {"cached_tokens": len(system) // CHARACTERS_PER_TOKEN},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return how many tokens the endpoint counts in a body's messages."""
    return sum(len(str(m["content"])) for m in body["messages"]) // CHARACTERS_PER_TOKEN + 1


def stream_of(found: Mapping[str, Any]) -> bytes:
    """Return a completion as the server-sent events of a stream."""
    return "".join(events_of(found, usage=False)).encode()


def events_of(found: Mapping[str, Any], *, usage: bool) -> Iterator[str]:
    """Yield the events of a stream, 20 characters of the reply in each; with `usage` the tokens before the end."""
    choice = found["choices"][0]
    text = choice["message"]["content"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[i : i + 20]} for i in range(0, len(text), 20)]
    for delta in deltas:
        yield _event(_chunk(found, delta, None))
    yield _event(_chunk(found, {}, choice["finish_reason"]))
    if usage:
        counted = {**json.loads(_chunk(found, {}, None)), "choices": [], "usage": found["usage"]}
        yield _event(dump(counted))
    yield _event("[DONE]")


def _event(line: str) -> str:
    return f"data: {line}\n\n"


def _chunk(found: Mapping[str, Any], delta: dict[str, Any], finish: str | None) -> str:
    kept = {key: found[key] for key in ("id", "created", "model", "system_fingerprint")}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return dump({**kept, "object": "chat.completion.chunk", "choices": choices})


def has_bounds(schema: Any) -> bool:
    """Return whether a schema, or what holds one, has bounds on strings, numbers or arrays."""
    if isinstance(schema, list):
        return any(map(has_bounds, schema))
    return isinstance(schema, dict) and bool(
        _BOUNDS & {key for key, value in schema.items() if isinstance(value, int)}
        or any(map(has_bounds, schema.values()))
    )


def has_values(schema: Any, count: int) -> bool:
    """Return whether an enumeration in a schema, or in what holds one, has so many values."""
    if isinstance(schema, list):
        return any(has_values(part, count) for part in schema)
    return isinstance(schema, dict) and (
        len(schema.get("enum", ())) >= count
        or any(has_values(part, count) for part in schema.values())
    )


def put(found: dict[str, Any], where: str) -> None:
    """Put a completion's text where the server has it, if not in the content."""
    for choice in found["choices"] if where != "content" else ():
        message = choice["message"]
        part = {"type": "text", "text": message["content"]}
        put = {"content": [part]} if where == "parts" else {"content": None, where: part["text"]}
        message.update(put)


def error(message: str, kind: str, code: str | None, param: str | None = None) -> dict[str, Any]:
    """Return an error body as OpenAI writes it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
