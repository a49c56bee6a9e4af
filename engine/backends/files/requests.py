"""What was asked in request files: the file beside each of them that taking its results needs.

`<state>/batch/<run>/requests.jsonl` is for whoever answers; `requests.asked.jsonl` beside it is ours: a header, then
a line per request. Results can so be taken without the recipe, and without trusting what they say was asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from engine import json_text
from engine.backends.http.settings import Price
from engine.backends.protocol import Message, PendingRequest, Request
from engine.errors import BackendError

FOLDER = "batch"
"""Where request files lie, below the state folder; each run that writes some has a folder of its own."""
FORMAT = 1
_ENDING = ".asked.jsonl"


class Header(BaseModel):
    """What holds for all requests of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int = FORMAT
    run: str
    """The run that asked."""
    model: str
    """As the recipe names it."""
    method: str
    """How the structure was asked for."""
    attempts: int
    """How often a request is asked before its failure is final."""
    requests: int
    price: Price | None


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request of a file."""

    custom_id: str
    node: str
    role: str
    request: Request
    number: int
    """How often it was asked before."""
    sent: tuple[Message, ...]
    """What was written, where that is more than the request's own turns."""
    max_tokens: int
    """As written: more than the request's own after a reply that was cut."""
    limited: bool
    """Whether more would have been asked for, had the service taken it."""
    header: Header


def custom_id(ask: PendingRequest) -> str:
    """Return the id of one asking of a request: the request's own, and the number of the asking, from 1."""
    return f"{ask.request.id}-{ask.number + 1}"


def sidecar(file: Path) -> Path:
    """Return the file beside a request file."""
    return file.with_name(file.stem + _ENDING)


def header_line(header: Header) -> bytes:
    """Return the first line of the file beside a request file."""
    return json_text.written(header.model_dump()) + b"\n"


def asked_line(asked: BatchRequest) -> bytes:
    """Return a request's line in the file beside a request file."""
    request = asked.request
    sent = None if asked.sent == request.messages else [list(turn) for turn in asked.sent]
    line = json_text.written(
        {
            "custom_id": asked.custom_id,
            "node": asked.node,
            "role": asked.role,
            "number": asked.number,
            "messages": [list(turn) for turn in request.messages],
            "schema": request.schema,
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "model": request.model,
            "attempt": request.attempt,
            "sent": sent,
            "sent_tokens": asked.max_tokens,
            "limited": asked.limited,
        }
    )
    return line + b"\n"


def request_files(state: Path) -> list[Path]:
    """Return all request files of a state folder, oldest first; what a kill left unfinished does not count."""
    sidecars = sorted((state / FOLDER).glob(f"*/*{_ENDING}"), key=_age)
    return [
        path.with_name(path.name.removesuffix(_ENDING) + ".jsonl")
        for path in sidecars
        if not path.parent.name.startswith(".")
    ]


def _age(sidecar: Path) -> tuple[str, int, str]:
    """Return what sorts files by age: of one run `r0001`, then `r0001-2` and so on, `r0001-10` after `r0001-9`."""
    run, _, number = sidecar.parent.name.partition("-")
    return run, int(number) if number.isdecimal() else 0, sidecar.name


def asked_ids(state: Path) -> dict[str, Path]:
    """Return the request file of each id that was ever written down; raises BackendError."""
    return {
        entry["custom_id"]: file for file in request_files(state) for _, entry in _entries(file)
    }


def read_asked(file: Path) -> list[BatchRequest]:
    """Return the requests of a request file; raises BackendError where what is beside it is gone or changed."""
    # One object per schema: validators are made per object, and a node's requests have the same.
    schemas: dict[bytes, Any] = {}
    requests = []
    for header, entry in _entries(file):
        if (schema := entry.get("schema")) is not None:
            entry["schema"] = schemas.setdefault(json_text.written(schema), schema)
        requests.append(_request(file, header, entry))
    return requests


def _entries(file: Path) -> Iterator[tuple[Header, dict[str, Any]]]:
    """Yield what is written of each request, with the file's header, a line at a time."""
    path = sidecar(file)
    number = 0
    try:
        with path.open("rb") as stream:
            header = Header.model_validate(json.loads(next(stream, b"")))
            whole = header.format == FORMAT
            for number, line in enumerate(stream, 1):  # noqa: B007
                # Not orjson: it turns whole numbers beyond 64 bits into floats, and the request would be another one.
                entry = json.loads(line)
                if not (whole and isinstance(entry, dict) and "custom_id" in entry):
                    whole = False
                    break
                yield header, entry
    except OSError as error:
        raise BackendError(f"{path}: {error.strerror}", _hint(path)) from error
    except (ValueError, ValidationError) as error:
        raise BackendError(f"{path} is damaged: {error}", _hint(path)) from error
    if not whole or number != header.requests:
        raise BackendError(f"{path} is damaged or from another version", _hint(path))


def _request(file: Path, header: Header, entry: Mapping[str, Any]) -> BatchRequest:
    path = sidecar(file)
    try:
        request = Request(
            _messages(entry["messages"]), entry["schema"], entry["max_tokens"],
            entry["temperature"], entry["model"], entry["attempt"],
        )  # fmt: skip
        sent = request.messages if entry["sent"] is None else _messages(entry["sent"])
        batch_request = BatchRequest(
            entry["custom_id"], entry["node"], entry["role"], request,
            entry["number"], sent, entry["sent_tokens"], entry["limited"], header,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise BackendError(f"{path} is damaged: {error!r}", _hint(path)) from error
    # The id is the hash of all that was asked: whatever was changed in this file shows here.
    custom = batch_request.custom_id
    if custom != f"{request.id}-{batch_request.number + 1}":
        raise BackendError(f"{path} is damaged: {custom} is not what was asked", _hint(path))
    return batch_request


def _messages(turns: Sequence[Sequence[Any]]) -> tuple[Message, ...]:
    return tuple(Message(role, content) for role, content in turns)


def _hint(path: Path) -> str:
    return f"remove {path.parent}, then run the recipe again: what has no reply yet is asked again"
