"""Results of a request file, read: from a batch endpoint, from `vllm run-batch`, or as a person writes them.

A line is `{"custom_id": …, "response": {"status_code": …, "body": {…}}, "error": …}`, or by hand `{"custom_id": …,
"reply": {…}}` or `{"custom_id": …, "text": "…"}`. Lines may come in any order, more than once, or not at all. Every
reply is validated against the schema that was asked for, whatever answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from engine import json_text
from engine.backends.files.requests import BatchRequest
from engine.backends.http.exchange import SHOWN, Exchange, Kind
from engine.backends.openai import PROTOCOL
from engine.backends.protocol import Completion
from engine.backends.replies import CUT, completion, failed, read
from engine.backends.structured import Reply
from engine.errors import BackendError

BY_HAND = "hand"
_LINE = (
    'a line is {"custom_id": …, "response": {…}} from a batch service, or {"custom_id": …, "reply": {…}} by hand; '
    "nothing was imported"
)


class ResultLine(NamedTuple):
    """One line of a result file."""

    line: int
    """From 1."""
    custom_id: str
    exchange: Exchange
    by_hand: bool


def read_results(path: Path) -> list[ResultLine]:
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


def _answer(line: bytes, number: int, path: Path) -> ResultLine:
    where = f"{path}:{number}"
    try:
        entry = json_text.parse_envelope(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BackendError(
            f"{where}: not UTF-8: {error.reason} at byte {error.start}", _LINE
        ) from error
    except ValueError as error:
        raise BackendError(f"{where}: not JSON: {error}", _LINE) from error
    if not isinstance(entry, dict) or not isinstance(entry.get("custom_id"), str):
        raise BackendError(f"{where}: no custom_id", _LINE)
    keys = [key for key in ("reply", "text", "response", "error") if key in entry]
    by_hand = keys in (["reply"], ["text"])
    if not by_hand and not (keys and set(keys) <= {"response", "error"}):
        shown = " and ".join(keys) or "no reply"
        raise BackendError(f"{where}: {shown} for {entry['custom_id']}", _LINE)
    if "text" in keys and not isinstance(entry["text"], str):
        raise BackendError(f"{where}: the text is not a string", _LINE)
    return ResultLine(number, entry["custom_id"], _exchange(entry, by_hand), by_hand)


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
    return PROTOCOL.read(status, {}, json.dumps(error if body is None else body).encode())


def _without_response(error: Any) -> Exchange:
    """Return what it means that a request was not answered at all: expired, cancelled, refused by the service."""
    if error is None:
        return Exchange("empty", detail="neither a response nor an error")
    code = str(error.get("code") or "") if isinstance(error, dict) else ""
    kinds: tuple[Kind, ...] = ("expired", "cancelled")
    kind: Kind = next((kind for kind in kinds if kind in code), "error")
    detail = error if isinstance(error, str) else json.dumps(error)
    return Exchange(kind, detail=detail[:SHOWN])


def completion_of(asked: BatchRequest, answer: ResultLine) -> Completion:
    """Return what an answer is to what was asked: a validated value, or an error with its kind."""
    exchange, header = answer.exchange.to(asked.request), asked.header
    reply = _reply(asked, exchange)
    price = None if answer.by_hand else header.price
    no_longer = reply.error in CUT and asked.limited
    final = reply.error is None or no_longer or asked.number + 1 >= header.attempts
    return completion(
        asked.request,
        reply,
        text=exchange.text,
        finish=exchange.finish,
        usage=exchange.usage,
        method=f"batch:{BY_HAND if answer.by_hand else header.method}",
        final=final,
        sent=asked.sent,
        cost=None if price is None else price.of(exchange.usage),
        server=exchange.server,
    )


def _reply(asked: BatchRequest, exchange: Exchange) -> Reply:
    if exchange.kind != "reply":
        return failed(exchange.kind, exchange.detail)
    cut = asked.max_tokens if exchange.finish == "length" else 0
    reasoning = exchange.usage.reasoning_tokens
    return read(asked.request, exchange.text, cut, reasoning, asked.limited)
