"""What came back from a server, sorted: a reply, something to try again, or something to stop at."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import orjson

SHOWN = 500
"""Characters kept of what came instead of a reply."""
OUTAGE = frozenset({"connection", "timeout", "server_error"})
"""Kinds that say the server is in trouble, whatever was asked."""
FATAL = frozenset(
    {"auth", "unknown_model", "bad_address", "quota", "schema_refused", "bad_request"}
)
"""Kinds that every request would meet."""

_CONTEXT = re.compile(
    r"context.{0,20}(length|window|size)|maximum.{0,30}tokens|too (long|many tokens)", re.I
)
_SCHEMA = re.compile(
    r"response_format|json_schema|structured|guided|grammar|schema|not permitted|additionalProperties",
    re.I,
)
_MODEL = re.compile(r"\bmodel\b", re.I)


class Exchange(NamedTuple):
    """One answer of a server; `kind` is `reply` for one that holds a text."""

    kind: str
    text: str = ""
    finish: str = ""
    """The server's finish reason: stop, length, content_filter, …"""
    status: int | None = None
    detail: str = ""
    retry_after: float | None = None
    """Seconds the server asks to wait."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    server: str = ""


def read_answer(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    """Return what a whole answer means; never raises."""
    if status != 200:
        return _refusal(status, headers, body)
    if headers.get("Content-Type", "").startswith("text/event-stream"):
        return _streamed(body)
    try:
        answer = _parsed(body)
    except ValueError as problem:
        return Exchange("bad_body", status=status, detail=f"{problem}: {shown(body)}")
    return _read(answer, status)


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # Half of a surrogate pair, which some servers send, is text for json and an error for orjson.
        return json.loads(body.decode("utf-8", "replace"))


def _read(answer: Any, status: int) -> Exchange:
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal = message.get("content"), message.get("refusal")
    except (KeyError, IndexError, TypeError, AttributeError):
        return Exchange(
            "empty",
            status=status,
            detail=_storable(f"no choice in the answer: {str(answer)[:SHOWN]}"),
        )
    finish = str(choice.get("finish_reason") or "")
    said = _storable(text) if isinstance(text, str) else ""
    found = Exchange("reply", said, finish, status, **_usage(answer))
    if refusal or finish == "content_filter":
        return found._replace(
            kind="refusal",
            detail=_storable(str(refusal or "the content filter stopped it"))[:SHOWN],
        )
    if not isinstance(text, str) or not text.strip():
        if finish == "length":
            return found._replace(detail="cut before it said anything")
        return found._replace(kind="empty", detail="the answer holds no text")
    return found


def _usage(answer: Mapping[str, Any]) -> dict[str, Any]:
    usage = answer.get("usage")
    usage = usage if isinstance(usage, Mapping) else {}
    named = [str(answer[key]) for key in ("model", "system_fingerprint") if answer.get(key)]
    return {
        "prompt_tokens": _count(usage, "prompt_tokens"),
        "completion_tokens": _count(usage, "completion_tokens"),
        "cached_tokens": _count(usage.get("prompt_tokens_details"), "cached_tokens"),
        "reasoning_tokens": _count(usage.get("completion_tokens_details"), "reasoning_tokens"),
        "server": _storable(" ".join(named))[:200],
    }


def _storable(text: str) -> str:
    """Return a text with half surrogate pairs written as escapes: no file can hold them, and no JSON means them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _count(usage: Any, key: str) -> int | None:
    value = usage.get(key) if isinstance(usage, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _streamed(body: bytes) -> Exchange:
    """Put an answer together that came as a stream of events, although none was asked for."""
    text: list[str] = []
    last: dict[str, Any] = {}
    finish = ""
    for line in body.splitlines():
        data = line.removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        try:
            event = _parsed(data)
            last = {**last, **{k: v for k, v in event.items() if v}}
            for choice in event.get("choices") or []:
                text.append((choice.get("delta") or {}).get("content") or "")
                finish = choice.get("finish_reason") or finish
        except (ValueError, AttributeError, TypeError) as problem:
            return Exchange("bad_body", status=200, detail=f"{problem}: {shown(data)}")
    if not finish:
        return Exchange(
            "truncated_body", status=200, detail=f"the stream ended early: {shown(body)}"
        )
    answer = {**last, "choices": [{"message": {"content": "".join(text)}, "finish_reason": finish}]}
    return _read(answer, 200)


def _refusal(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    said = shown(body)
    wait = retry_after(headers.get("Retry-After"))
    if status == 429 and "insufficient_quota" in said:
        return Exchange("quota", status=status, detail=said)
    if status == 429:
        return Exchange("rate_limit", status=status, detail=said, retry_after=wait)
    if status == 500 and "response_format" in said:
        # llama-cpp-python's server says so of a way it does not know; the next attempt would hear the same.
        return Exchange("schema_refused", status=status, detail=said)
    if status >= 500 or status in {408, 409, 425}:
        return Exchange("server_error", status=status, detail=said, retry_after=wait)
    return Exchange(_kind(status, said), status=status, detail=said)


def _kind(status: int, said: str) -> str:
    if 300 <= status < 400 or status == 405:
        return "bad_address"
    if status in {401, 403}:
        return "auth"
    if status == 404:
        return "unknown_model" if _MODEL.search(said) else "bad_address"
    if status == 413 or _CONTEXT.search(said):
        return "too_long"
    if _SCHEMA.search(said):
        return "schema_refused"
    if _MODEL.search(said) and re.search(r"not (found|exist)|unknown|does not", said, re.I):
        return "unknown_model"
    return "bad_request"


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (a number or a date), None without one."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    from datetime import UTC, datetime

    return max(0.0, (when - datetime.now(UTC)).total_seconds()) if when.tzinfo else None


def shown(body: bytes) -> str:
    """Return the beginning of a body as one line of text."""
    return " ".join(body[: 4 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
