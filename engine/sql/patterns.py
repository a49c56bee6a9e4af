r"""Users' regular expressions: RE2's (DuckDB's), not Python's.

Matching takes time linear in the text, so no pattern and no row can keep a run busy for ever. The price: no
look-around and no back-references, `\w`, `\d` and `\b` know ASCII only (`\p{L}` is any letter), and `.` does not
match a line break (`(?s)` makes it).
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import RunError
from engine.sql.connection import closed_off
from engine.sql.expressions import Fault

_RE2 = "patterns are RE2's: no look-around, no back-references; `\\p{L}` is a letter of any script"
_AT_ONCE = 50_000
"""Texts per query: bounds the memory beside theirs."""


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
    """
    import duckdb
    import pyarrow as pa

    literal = replacement.replace("\\", "\\\\")
    changed: dict[int, str] = {}
    with closed_off() as connection:
        for start in range(0, len(texts), _AT_ONCE):
            part = [_encodable(text) for text in texts[start : start + _AT_ONCE]]
            numbers = range(start, start + len(part))
            connection.register("texts", pa.table({"n": numbers, "text": part}))
            try:
                rows = connection.execute(
                    "SELECT n, new FROM (SELECT n, text, regexp_replace(text, ?, ?, 'g') AS new FROM texts)"
                    " WHERE new <> text",
                    [pattern, literal],
                ).fetchall()
            except duckdb.Error as error:
                reason = str(error).partition("Error: ")[2] or str(error)
                raise RunError(f"privacy.redact: {reason}", _RE2) from error
            finally:
                connection.unregister("texts")
            changed.update(rows)
    return changed


def _encodable(text: str) -> str:
    """Return text as UTF-8 can hold it: a lone surrogate becomes U+FFFD, as in the store."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
