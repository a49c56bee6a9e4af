"""Redaction: what a recipe's patterns match is replaced in the texts of rows, before anything else sees them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from engine.data.records import Record
from engine.sql.patterns import replace_matches


class Rule(NamedTuple):
    """What is replaced, and by what; the replacement is text: no part of the match is referred to in it."""

    pattern: str
    """A regular expression as `engine.sql.patterns` takes them."""
    replacement: str


class Redacted(NamedTuple):
    """Rows after redaction."""

    records: list[Record]
    """Each says in which of its columns it was changed."""
    hits: list[int]
    """For each rule how many distinct texts it changed."""


def redact(
    records: Sequence[Record], rules: Sequence[Rule], keep: Collection[str] = ()
) -> Redacted:
    """Return the rows with what the rules match replaced, rule by rule, in every column but those in `keep`.

    Texts inside lists and mappings count, their keys too; a number or a date that matches becomes text. Acceptable
    answers beside the target stay as they are.

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
    return Redacted([_redacted(record, changed, keep) for record in records], hits)


def redact_texts(texts: Sequence[str], rules: Sequence[Rule]) -> list[str]:
    """Return texts with what the rules match replaced; raises RunError."""
    replaced = {text: text for text in texts}
    for rule in rules:
        _apply(rule, replaced)
    return [replaced[text] for text in texts]


def count_hits(texts: Collection[str], rules: Sequence[Rule]) -> list[int]:
    """Return for each rule how many of the texts it changes, after the rules before it; raises RunError."""
    replaced = {text: text for text in sorted(texts)}
    return [_apply(rule, replaced) for rule in rules]


def _redacted(record: Record, changed: dict[str, str], keep: Collection[str]) -> Record:
    values = {
        column: value if column in keep else _replaced(value, changed)
        for column, value in record.values.items()
    }
    columns = tuple(c for c, value in values.items() if value is not record.values[c])
    return record._replace(values=values, redacted=columns) if columns else record


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
    if not texts:
        return 0
    originals = list(texts)
    changed = replace_matches(rule.pattern, rule.replacement, list(texts.values()))
    texts.update((originals[index], new) for index, new in changed.items())
    return len(changed)
