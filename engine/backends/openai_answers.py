"""What the answers of servers with an OpenAI-compatible endpoint mean: replies in their shapes, and refusals.

A refusal is told by its codes, then by the parameter that it names, and only then by its words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.backends.http.complaint import complaint_of
from engine.backends.http.exchange import (
    SHOWN,
    Complaint,
    Exchange,
    Kind,
    bad_body,
    count,
    parsed,
    retry_after,
    shown,
    storable,
)
from engine.backends.protocol import Usage
from engine.turns.tools import Said, called, in_assistant_words

_CODES: Mapping[str, Kind] = {
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "invalid_api_key": "auth",
    "model_not_found": "unknown_model",
    "deploymentnotfound": "unknown_model",
    "context_length_exceeded": "too_long",
    "exceed_context_size_error": "too_long",
    "string_above_max_length": "too_long",
    "content_filter": "refusal",
    "content_policy_violation": "refusal",
    "responsibleaipolicyviolation": "refusal",
    "data_inspection_failed": "refusal",
    "invalid_prompt": "refusal",
}
"""What the codes of OpenAI, Azure and others mean."""
_STRUCTURE = frozenset(
    {"response_format", "structured_outputs", "guided_json", "json_schema", "grammar"}
)
"""Parameters that ask for structure."""
_FILTERED = re.compile(
    r"content.{0,5}(filter|management policy|policy)|moderation|was flagged|safety (filter|system|check)",
    re.I,
)
_CONTEXT = re.compile(
    r"context.{0,20}(length|window|size)|maximum.{0,30}tokens|too (long|many tokens)|tokens.{0,40}must be <=",
    re.I,
)
_TOO_LARGE = re.compile(r"request too large", re.I)
"""One request asks for more tokens than a minute has: waiting is no use."""
_SCHEMA = re.compile(
    r"response_format|json_schema|structured|guided|grammar|schema|additionalProperties", re.I
)
_MODEL = re.compile(r"\bmodel\b", re.I)
_NO_MODEL = re.compile(
    r"\bmodel\b.{0,60}(not (found|exist)|unknown|unavailable)|(unknown|no such|invalid) model\b",
    re.I,
)
_STATUSES: Mapping[int, Kind] = {
    401: "auth", 402: "quota", 405: "bad_address", 407: "proxy", 413: "too_long",
    **dict.fromkeys(range(300, 400), "bad_address"),
}  # fmt: skip


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
        refusal = message.get("refusal")
        finish = str(choice.get("finish_reason") or "")
        content = storable(_text(message, finish))
        calls = [storable(call) for call in called(message)]
    except (KeyError, IndexError, TypeError, AttributeError):
        return _no_choice(answer)
    names = [str(answer[key]) for key in ("model", "system_fingerprint") if answer.get(key)]
    server = storable(" ".join(names))[:200]
    turn = in_assistant_words(Said(storable(_joined(message.get("content"))), tuple(calls)))
    exchange = Exchange(
        "reply",
        content,
        finish,
        200,
        usage=_usage(answer),
        server=server,
        turn=turn if calls else "",
    )
    if refusal or finish == "content_filter":
        reason = storable(str(refusal or "the content filter stopped it"))[:SHOWN]
        return exchange._replace(kind="refusal", detail=reason)
    if not content.strip() and not calls:
        if finish == "length":
            return exchange._replace(detail="cut before it said anything")
        return exchange._replace(kind="empty", detail="the answer holds no text")
    return exchange


def _no_choice(answer: Any) -> Exchange:
    """Return what an answer without a choice means: some services pass others' errors on with the status 200."""
    error = answer.get("error") if isinstance(answer, Mapping) else None
    code = error.get("code") if isinstance(error, Mapping) else None
    if isinstance(code, int) and 400 <= code < 600:
        return _failure(code, {}, json.dumps(answer).encode())
    detail = storable(f"no choice in the answer: {str(answer)[:SHOWN]}")
    return Exchange("empty", status=200, detail=detail)


def _text(message: Mapping[str, Any], finish: str) -> str:
    """Return what a message says: its content, or what some servers put elsewhere and leave the content empty.

    Without text in the content, a parser of thoughts may have taken the reply for one (`reasoning_content`), or the
    server may make structure by a tool that is called with the reply. What was cut is left as thought.
    """
    said = _joined(message.get("content"))
    if said.strip() or finish == "length":
        return said
    for call in message.get("tool_calls") or ():
        if isinstance(arguments := call["function"].get("arguments"), str) and arguments.strip():
            return arguments
    return _joined(message.get("reasoning_content") or message.get("reasoning")) or said


def _joined(content: Any) -> str:
    """Return a content as one text: it may be a list of parts, of which thoughts are none of the reply."""
    if isinstance(content, list):
        parts = (part if isinstance(part, str) else _part(part) for part in content)
        return "".join(parts)
    return content if isinstance(content, str) else ""


def _part(part: Any) -> str:
    of_text = isinstance(part, Mapping) and part.get("type", "text") in {"text", "output_text"}
    text = part.get("text") if of_text else None
    return text if isinstance(text, str) else ""


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
    said: dict[str, list[str]] = {"content": [], "reasoning_content": []}
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
                delta = choice.get("delta") or {}
                said["content"].append(_joined(delta.get("content")))
                thought = delta.get("reasoning_content") or delta.get("reasoning")
                said["reasoning_content"].append(_joined(thought))
                finish = choice.get("finish_reason") or finish
        except (ValueError, AttributeError, TypeError) as problem:
            return bad_body(200, data, problem)
    if not finish:
        detail = f"the stream ended early: {shown(body)}"
        return Exchange("truncated_body", status=200, detail=detail)
    message = {where: "".join(parts) for where, parts in said.items()}
    return _reply({**last, "choices": [{"message": message, "finish_reason": finish}]})


def _failure(status: int, headers: Mapping[str, str], body: bytes) -> Exchange:
    complaint = complaint_of(body)
    kind = _kind(status, complaint)
    wait = retry_after(headers) if kind in {"rate_limit", "server_error"} else None
    return Exchange(kind, status=status, detail=shown(body), retry_after=wait, complaint=complaint)


def _kind(status: int, complaint: Complaint) -> Kind:
    coded = [kind for code, kind in _CODES.items() if code in complaint.codes]
    if status == 429:
        if "quota" in coded:
            return "quota"
        return "too_long" if _TOO_LARGE.search(complaint.words) else "rate_limit"
    if status == 500 and ("response_format" in complaint.words or complaint.heads & _STRUCTURE):
        # llama-cpp-python's server says so of a way it does not know; the next attempt would hear the same.
        return "schema_refused"
    if status >= 500 or status in {408, 409, 425}:
        return "server_error"
    if coded:
        return coded[0]
    if kind := _STATUSES.get(status):
        return kind
    return _kind_by_words(status, complaint)


def _kind_by_words(status: int, complaint: Complaint) -> Kind:
    words, heads = complaint.words, complaint.heads
    about_the_row = not heads - {"prompt", "messages"}
    if about_the_row and _FILTERED.search(words):
        return "refusal"
    if status == 403:
        return "auth"
    if status == 404 and about_the_row:
        return "unknown_model" if _MODEL.search(words) else "bad_address"
    if _CONTEXT.search(words):
        return "too_long"
    if heads & _STRUCTURE:
        return "schema_refused"
    if not about_the_row:
        return "unknown_model" if "model" in heads else "bad_request"
    if _SCHEMA.search(words):
        return "schema_refused"
    return "unknown_model" if _NO_MODEL.search(words) else "bad_request"
