"""What a server's refusal says where its body has a place for it: codes, the parameters that it names, its words.

Servers differ in where they put these: OpenAI's `error` with `code` and `param`, lists of places as pydantic writes
them, texts alone. What they repeat of the request (a row, a prompt) is left out: it is none of their words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.backends.http.exchange import Complaint, parsed, shown

_POSITION = re.compile(r"\[\d+\]|\.\d+(?=\.|$)")
_DEEPEST = 5
_CODES = ("code", "type", "status", "error_type")


def complaint_of(body: bytes) -> Complaint:
    """Return what the body of a refusal says; one without any structure is all words."""
    try:
        answer = parsed(body)
    except ValueError:
        return Complaint(words=shown(body))
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    if not isinstance(answer, Mapping):
        return Complaint(words=shown(body))
    parts = list(_parts(answer))
    words = " ".join(part.words for part in parts if part.words)
    return Complaint(
        frozenset().union(*(part.codes for part in parts)),
        frozenset().union(*(part.params for part in parts)),
        " ".join(words.split()) or shown(body),
    )


def _parts(answer: Mapping[str, Any], depth: int = 0) -> Iterator[Complaint]:
    """Yield what each part of a refusal says: the error, what is in it, and places of the request that are wrong."""
    if depth > _DEEPEST:
        return
    yield _part(answer)
    for key in ("error", "innererror", "message", "detail"):
        inner = answer.get(key)
        if isinstance(inner, str):
            yield Complaint(words=inner)
        elif isinstance(inner, Mapping):
            yield from _parts(inner, depth + 1)
        elif isinstance(inner, list):
            for place in inner:
                if isinstance(place, Mapping):
                    yield _part(place)


def _part(part: Mapping[str, Any]) -> Complaint:
    codes = {str(part[key]).lower() for key in _CODES if isinstance(part.get(key), str)}
    params = [part["param"]] if isinstance(part.get("param"), str) else []
    if isinstance(place := part.get("loc"), list):
        params.append(".".join(step for step in place if isinstance(step, str) and step != "body"))
    said = part.get("msg")
    return Complaint(
        frozenset(codes),
        frozenset(_POSITION.sub("", param) for param in params if param),
        said if isinstance(said, str) else "",
    )
