r"""Redaction: what a recipe's patterns match is replaced in the texts of rows, before anything else sees them.

Patterns are RE2's (DuckDB's regular expressions), not Python's: matching takes time linear in the text, so no
pattern and no row can keep a run busy for ever. The price: no look-around and no back-references, `\w`, `\d` and
`\b` know ASCII only (`\p{L}` is any letter), and `.` does not match a line break (`(?s)` makes it).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from engine.errors import RunError
from engine.sql.connection import closed_off
from engine.sql.expressions import Fault
from engine.sql.records import Record

_RE2 = "patterns are RE2's: no look-around, no back-references; `\\p{L}` is a letter of any script"
_AT_ONCE = 50_000
"""Texts per query: bounds the memory beside the rows'."""


class Rule(NamedTuple):
    """What is replaced, and by what; the replacement is text: no part of the match is referred to in it."""

    pattern: str
    replacement: str


class Redacted(NamedTuple):
    """Rows after redaction."""

    records: list[Record]
    columns: list[tuple[str, ...]]
    """For each row the columns that were changed."""
    hits: list[int]
    """For each rule how many distinct texts it changed."""


def check_pattern(pattern: str) -> Fault | None:
    """Return what is wrong with a pattern; None when it can be used."""
    import duckdb

    if not pattern:
        return Fault("the pattern is empty", "write a regular expression")
    with closed_off() as connection:
        try:
            found = connection.execute("SELECT regexp_matches('', ?)", [pattern]).fetchone()
        except duckdb.Error as error:
            said = str(error).partition("Error: ")[2] or str(error)
            return Fault(f"this is not a regular expression: {said}", _RE2)
    if found and found[0]:
        hint = "say what must be there: `+` instead of `*`, no `?` around the whole"
        return Fault("the pattern matches the empty text, so it would be found everywhere", hint)
    return None


def redact(
    records: Sequence[Record], rules: Sequence[Rule], keep: Collection[str] = ()
) -> Redacted:
    """Return the rows with what the rules match replaced, rule by rule, in every column but those in `keep`.

    Texts inside lists and mappings count, their keys too; a number or a date that matches becomes text.

    Raises:
        RunError: a pattern is no regular expression.
    """
    texts: dict[str, str] = {}
    for record in records:
        for column, value in record.values.items():
            if column not in keep:
                texts.update((text, text) for text in _texts(value))
    hits = [_apply(rule, texts) for rule in rules]
    changed = {text: new for text, new in texts.items() if new != text}
    redacted, columns = [], []
    for record in records:
        values = {
            column: value if column in keep else _replaced(value, changed)
            for column, value in record.values.items()
        }
        columns.append(tuple(c for c, value in values.items() if value is not record.values[c]))
        redacted.append(record._replace(values=values) if columns[-1] else record)
    return Redacted(redacted, columns, hits)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _replaced(value: Any, changed: dict[str, str]) -> Any:
    """Return `value` itself where nothing in it changes."""
    if not any(text in changed for text in _texts(value)):
        return value
    if isinstance(value, dict):
        return {changed.get(str(key), key): _replaced(item, changed) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(item, changed) for item in value]
    return changed[str(value)]


def _apply(rule: Rule, texts: dict[str, str]) -> int:
    """Apply a rule to the values of `texts`, in place; return how many it changed."""
    import duckdb
    import pyarrow as pa

    literal = rule.replacement.replace("\\", "\\\\")
    originals = list(texts)
    count = 0
    with closed_off() as connection:
        for start in range(0, len(originals), _AT_ONCE):
            part = originals[start : start + _AT_ONCE]
            now = [_encodable(texts[text]) for text in part]
            connection.register("texts", pa.table({"n": range(len(now)), "text": now}))
            try:
                rows = connection.execute(
                    "SELECT n, new FROM (SELECT n, text, regexp_replace(text, ?, ?, 'g') AS new FROM texts)"
                    " WHERE new <> text",
                    [rule.pattern, literal],
                ).fetchall()
            except duckdb.Error as error:
                said = str(error).partition("Error: ")[2] or str(error)
                raise RunError(f"privacy.redact: {said}", _RE2) from error
            finally:
                connection.unregister("texts")
            texts.update((part[n], new) for n, new in rows)
            count += len(rows)
    return count


def _encodable(text: str) -> str:
    """Return text as UTF-8 can hold it: a lone surrogate becomes U+FFFD, as in the store."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
