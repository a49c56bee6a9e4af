r"""Users' regular expressions: RE2's (DuckDB's), not Python's.

Matching takes time linear in the text, so no pattern and no row can keep a run busy for ever. The price: no
look-around and no back-references, `\w`, `\d` and `\b` know ASCII only (`\p{L}` is any letter), and `.` does not
match a line break (`(?s)` makes it).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod

from engine.errors import RunError
from engine.sandbox import Overrun
from engine.sql.connection import closed_off
from engine.sql.expressions import Fault
from engine.sql.plain import computed

_RE2 = "patterns are RE2's: no look-around, no back-references; `\\p{L}` is a letter of any script"
_AT_ONCE = 50_000
"""Texts per query: bounds the memory beside theirs."""
_LONGEST, _STATES, _CHARACTERS = 500, 20_000, 100_000_000
"""What is cheap: characters of a pattern, states of its machine, characters of what becomes of all texts of a query."""
_REPEATED = re.compile(r"\{(\d{1,9})(?:,(\d{0,9}))?\}")
"""Counted repetitions: how often at least and at most."""


def check_pattern(pattern: str) -> Fault | None:
    """Return what is wrong with a pattern; None when it can be used."""
    import duckdb

    if not pattern:
        return Fault("the pattern is empty", "write a regular expression")
    with closed_off() as connection:
        try:
            row = connection.execute("SELECT regexp_matches('', ?)", [pattern]).fetchone()
        except duckdb.Error as error:
            reason = str(error).partition("Error: ")[2] or str(error)
            return Fault(f"this is not a regular expression: {reason}", _RE2)
    if row and row[0]:
        hint = "say what must be there: `+` instead of `*`, no `?` around the whole"
        return Fault("the pattern matches the empty text, so it would be found everywhere", hint)
    return None


def replace_matches(pattern: str, replacement: str, texts: Sequence[str]) -> dict[int, str]:
    """Return the texts that a pattern changes, by their index; the replacement is text and refers to no group.

    Raises:
        RunError: the pattern is no regular expression.
        Overrun: it takes more than the recipe's limits let it.
    """
    changed: dict[int, str] = {}
    for start in range(0, len(texts), _AT_ONCE):
        part = [_encodable(text) for text in texts[start : start + _AT_ONCE]]
        plain = _is_plain(pattern, replacement, sum(map(len, part)))
        changed |= computed(_replaced, pattern, replacement, part, start, plain=plain, text=pattern)
    return changed


def _replaced(pattern: str, replacement: str, texts: Sequence[str], start: int) -> dict[int, str]:
    import duckdb
    import pyarrow as pa

    literal = replacement.replace("\\", "\\\\")
    with closed_off() as connection:
        numbers = range(start, start + len(texts))
        connection.register("texts", pa.table({"n": numbers, "text": texts}))
        try:
            rows = connection.execute(
                "SELECT n, new FROM (SELECT n, text, regexp_replace(text, ?, ?, 'g') AS new FROM texts)"
                " WHERE new <> text",
                [pattern, literal],
            ).fetchall()
        except duckdb.OutOfMemoryException:
            raise Overrun("memory", pattern) from None
        except duckdb.Error as error:
            reason = str(error).partition("Error: ")[2] or str(error)
            raise RunError(f"privacy.redact: {reason}", _RE2) from error
    return dict(rows)


def _is_plain(pattern: str, replacement: str, characters: int) -> bool:
    """Return whether replacing is cheap by the form of both: a small machine for RE2, and texts that stay small."""
    repeats = prod(max(1, int(least), int(most or 0)) for least, most in _REPEATED.findall(pattern))
    return (
        len(pattern) <= _LONGEST
        and len(pattern) * repeats <= _STATES
        and (len(replacement) + 1) * characters <= _CHARACTERS
    )


def _encodable(text: str) -> str:
    """Return text as UTF-8 can hold it: a lone surrogate becomes U+FFFD, as in the store."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
