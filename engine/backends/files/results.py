"""Results of a request file, read: from a batch endpoint, from `vllm run-batch`, or as a person writes them.

A line is `{"custom_id": …, "response": {"status_code": …, "body": {…}}, "error": …}`, or by hand `{"custom_id": …,
"reply": {…}}` or `{"custom_id": …, "text": "…"}`. Lines may come in any order, more than once, or not at all. Every
reply is validated against the schema that was asked for, whatever answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.backends.files.requests import Asked
from engine.backends.http.response import SHOWN, Exchange, read_answer
from engine.backends.protocol import Completion
from engine.backends.structured import read_reply
from engine.errors import BackendError

BY_HAND = "hand"
_LINE = (
    'a line is {"custom_id": …, "response": {…}} from a batch service, or {"custom_id": …, "reply": {…}} by hand; '
    "nothing was imported"
)


class Answer(NamedTuple):
    """One line of a result file."""

    line: int
    """From 1."""
    custom_id: str
    exchange: Exchange
    by_hand: bool


def read_results(path: Path) -> list[Answer]:
    """Return all answers of a result file, in its order.

    Raises:
        BackendError: no such file, nothing in it, or a line that is not UTF-8, not JSON or no answer,
            with its number.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackendError(
            f"cannot read {path}: {error.strerror}",
            "give the file of results that the service or `vllm run-batch` wrote",
        ) from error
    answers = [
        _answer(line, number, path)
        for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
        if line.strip()
    ]
    if not answers:
        raise BackendError(f"{path}: there is no answer in it", _LINE)
    return answers


def _answer(line: bytes, number: int, path: Path) -> Answer:
    where = f"{path}:{number}"
    try:
        entry = json.loads(line.decode("utf-8"), object_pairs_hook=_no_key_twice)
    except UnicodeDecodeError as error:
        raise BackendError(
            f"{where}: not UTF-8: {error.reason} at byte {error.start}", _LINE
        ) from error
    except (ValueError, RecursionError) as error:
        raise BackendError(f"{where}: not JSON: {error}", _LINE) from error
    if not isinstance(entry, dict) or not isinstance(entry.get("custom_id"), str):
        raise BackendError(f"{where}: no custom_id", _LINE)
    given = [key for key in ("reply", "text", "response", "error") if key in entry]
    by_hand = given in (["reply"], ["text"])
    if not by_hand and not (given and set(given) <= {"response", "error"}):
        found = " and ".join(given) or "no reply"
        raise BackendError(f"{where}: {found} for {entry['custom_id']}", _LINE)
    if "text" in given and not isinstance(entry["text"], str):
        raise BackendError(f"{where}: the text is no text", _LINE)
    return Answer(number, entry["custom_id"], _exchange(entry, by_hand), by_hand)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def _exchange(entry: Mapping[str, Any], by_hand: bool) -> Exchange:
    if by_hand:
        text = entry["text"] if "text" in entry else json.dumps(entry["reply"], ensure_ascii=False)
        return Exchange("reply", text, "stop")
    response, error = entry.get("response"), entry.get("error")
    if not isinstance(response, dict):
        return _without_response(error)
    status, body = response.get("status_code"), response.get("body")
    status = status if isinstance(status, int) else 200
    if body is None and error is None:
        return Exchange("empty", status=status, detail="the response holds no body")
    if status == 200 and (body is None or not isinstance(body, dict)):
        return _without_response(error if body is None else body)
    # As a server would have sent it; escapes keep half a surrogate pair, which is for validation to refuse.
    return read_answer(status, {}, json.dumps(error if body is None else body).encode())


def _without_response(error: Any) -> Exchange:
    """Return what it means that a request was not answered at all: expired, cancelled, refused by the service."""
    if error is None:
        return Exchange("empty", detail="neither a response nor an error")
    code = str(error.get("code") or "") if isinstance(error, dict) else ""
    kind = next((kind for kind in ("expired", "cancelled") if kind in code), "error")
    said = error if isinstance(error, str) else json.dumps(error)
    return Exchange(kind, detail=said[:SHOWN])


def completion(asked: Asked, answer: Answer) -> Completion:
    """Return what an answer is to what was asked: a validated value, or an error with its kind."""
    got = answer.exchange
    value, error, detail = _value(asked, got)
    price = asked.header.price
    return Completion(
        request=asked.request.id,
        text=got.text,
        value=value,
        finish_reason=_finish(error, got.finish),
        prompt_tokens=got.prompt_tokens,
        completion_tokens=got.completion_tokens,
        seconds=0.0,
        method=f"batch:{BY_HAND if answer.by_hand else asked.header.method}",
        error=error,
        detail=detail,
        final=error is None or asked.number + 1 >= asked.header.attempts,
        sent=None if asked.sent == asked.request.messages else asked.sent,
        cached_tokens=got.cached_tokens,
        reasoning_tokens=got.reasoning_tokens,
        cost=None if answer.by_hand or price is None else price.of(got),
        server=got.server,
    )


def _value(asked: Asked, got: Exchange) -> tuple[Any | None, str | None, str]:
    if got.kind != "reply":
        return None, got.kind, got.detail
    reply = read_reply(got.text, asked.request.schema)
    if reply.error is not None and got.finish == "length":
        return None, "length", f"cut after {asked.max_tokens} tokens before its JSON closed"
    return reply.value, reply.error, reply.detail


def _finish(error: str | None, finish: str) -> Literal["stop", "length", "refusal", "error"]:
    if error == "length":
        return "length"
    if error == "refusal":
        return "refusal"
    return "stop" if error is None or finish == "stop" else "error"
