"""What came back from a server, sorted: a reply, something to try again, or something to stop at.

The kinds are the same for all protocols, which only differ in how they say them; what reading bodies and headers
of any protocol needs is here too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, NamedTuple

import orjson

from engine.backends.protocol import Request, Usage
from engine.bounds import LARGEST

SHOWN = 500
"""Characters kept of what came instead of a reply."""

Kind = Literal[
    "reply", "refusal", "empty", "bad_body", "truncated_body", "too_large",
    "rate_limit", "connection", "timeout", "server_error",
    "auth", "proxy", "quota", "unknown_model", "bad_address", "schema_refused", "bad_request", "too_long",
    "expired", "cancelled", "error",
]  # fmt: skip
"""The last three only in files: what a batch service says of requests that it did not answer."""
OUTAGE: frozenset[Kind] = frozenset({"connection", "timeout", "server_error"})
"""Kinds that say the server is in trouble, whatever was asked."""
FATAL: frozenset[Kind] = frozenset(
    {"auth", "proxy", "unknown_model", "bad_address", "quota", "schema_refused", "bad_request"}
)
"""Kinds that every request would meet."""
DOUBTFUL: frozenset[Kind] = frozenset({"schema_refused", "bad_request"})
"""Those of them that may be about one row after all: a second one tells."""


class Complaint(NamedTuple):
    """What a refusal says where its body has a place for it."""

    codes: frozenset[str] = frozenset()
    """Codes and types, in small letters: `unsupported_value`, `content_filter`, …"""
    params: frozenset[str] = frozenset()
    """Parameters that it names, without positions: `temperature`, `messages.role`."""
    words: str = ""
    """Its messages."""

    @property
    def heads(self) -> frozenset[str]:
        """The parameters that it names, or in which the places are that it names."""
        return frozenset(param.split(".")[0] for param in self.params)


class Exchange(NamedTuple):
    """One answer of a server; `kind` is `reply` for one that holds a text."""

    kind: Kind
    text: str = ""
    """The reply; where a schema was asked for, the JSON that should fit it."""
    finish: str = ""
    """Why the text ended: `stop`, `length`, or the server's own word."""
    status: int | None = None
    """HTTP status; None where there was no answer."""
    detail: str = ""
    """What came instead of a reply, cut."""
    retry_after: float | None = None
    """Seconds the server asks to wait."""
    complaint: Complaint = Complaint()
    """What a refusal says."""
    usage: Usage = Usage()
    server: str = ""
    """Who answered, as the server names itself."""
    turn: str = ""
    """The reply with the tools that it calls, in words; empty where it calls none."""

    def to(self, request: Request) -> Exchange:
        """Return it as the answer to a request: where no structure was asked for, calls are what is said."""
        return self._replace(text=self.turn) if self.turn and request.schema is None else self


def parsed(body: bytes) -> Any:
    """Return the value of a JSON body; raises ValueError where it is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # Half of a surrogate pair, which some servers send, is text for json and an error for orjson.
        try:
            return json.loads(body.decode("utf-8", "replace"))
        except RecursionError:
            raise ValueError("nested too deeply") from None


def bad_body(status: int, body: bytes, problem: Exception) -> Exchange:
    """Return what a body is that cannot be read."""
    return Exchange("bad_body", status=status, detail=f"{problem}: {shown(body)}")


def storable(text: str) -> str:
    """Return a text with half surrogate pairs written as escapes: no file can hold them, and no JSON means them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def count(numbers: Any, key: str) -> int | None:
    """Return a number of tokens; None where it is missing or not a count, as one beyond all models is none."""
    value = numbers.get(key) if isinstance(numbers, Mapping) else None
    return value if type(value) is int and 0 <= value <= LARGEST else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the header `Retry-After` asks for (a number or a date), None without one."""
    value = headers.get("Retry-After")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (when - datetime.now(UTC)).total_seconds()) if when.tzinfo else None


def shown(body: bytes) -> str:
    """Return the beginning of a body as one line of text."""
    return " ".join(body[: 4 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
