"""Printing where a pipe, a file or a terminal does not hold every character, as on Windows: no command ends by it."""

from __future__ import annotations

import codecs
import io
import sys
from typing import IO

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


def for_programs(stream: IO[str]) -> IO[str]:
    """Return the stream for CSV and JSON: UTF-8 in a pipe or a file, whatever the locale's encoding is."""
    if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
        stream.reconfigure(encoding="utf-8", errors=stream.errors)
    return stream


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    return _PLAIN.get(character) or character.encode("ascii", "backslashreplace").decode("ascii")
