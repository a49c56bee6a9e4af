"""Printing where a pipe, a file or a terminal does not hold every character, as on Windows: no command ends by it."""

from __future__ import annotations

import codecs
import contextlib
import io
import logging
import sys
from collections.abc import Iterable, Mapping
from typing import IO, Any

from engine.system.plain_text import clean, clean_json

_HANDLER = "pada.plain"
_PLAIN = {
    "→": "->",
    "←": "<-",
    "…": "...",
    "·": "-",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "±": "+/-",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "─": "-",
    "━": "-",
    "│": "|",
}
"""What the engine's own texts and tables use, in ASCII; other characters are escaped: no answer loses any."""


def print_anything() -> None:
    """Let the process's output take every character: what its encoding lacks is written in ASCII."""
    codecs.register_error(_HANDLER, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def clean_logs() -> None:
    """Clean what is logged from now on by whatever library: some print it by handlers of their own.

    The engine's own records go to a log file alone: what they say, commands print themselves. A library that gives
    the root logger a handler, as absl does at its first line, would print them once more.
    """
    logging.getLogger("engine").propagate = False
    make = logging.getLogRecordFactory()

    def cleaned(*given: Any, **named: Any) -> logging.LogRecord:
        record = make(*given, **named)
        # A message that its arguments do not fit is left to logging, which says so.
        with contextlib.suppress(TypeError, ValueError, KeyError):
            record.msg, record.args = clean(record.getMessage()), None
        return record

    logging.setLogRecordFactory(cleaned)


def for_programs(stream: IO[str]) -> IO[str]:
    """Return the stream for CSV and JSON: UTF-8 in a pipe or a file, whatever the locale's encoding is."""
    if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
        stream.reconfigure(encoding="utf-8", errors=stream.errors)
    return stream


def echo(text: Any = "", *, error: bool = False) -> None:
    """Print a clean line to standard output, or to standard error."""
    write(sys.stderr if error else sys.stdout, f"{text}\n")


def write(stream: IO[str], text: str) -> None:
    """Write a text, clean, and nothing else; seen at once, as a question must be."""
    stream.write(clean(text))
    stream.flush()


def print_records(stream: IO[str], records: Iterable[Mapping[str, Any]]) -> None:
    """Print one JSON object per line, times as ISO 8601; nothing where there are no records."""
    import orjson

    stream = for_programs(stream)
    for record in records:
        stream.write(clean_json(orjson.dumps(record, default=str).decode()) + "\n")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    return _PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode("ascii")
