"""The hash of a node's rows: equal for equal results, whatever run or machine made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from engine.fingerprint import canonical, digest_parts
from engine.rows import Model, Row
from engine.stages.outputs import Output
from engine.store.columns import record_types

_NOT_RESULTS = {(Model, "seconds")}
"""Fields that measure the machine, not the result."""
_SIMPLE = frozenset({str, int, float, bool, type(None)})
_AT_ONCE = 1000
"""Rows that are in memory as JSON at a time."""


def _plain(value: Any) -> Any:
    # Most values are texts and numbers, which are asked for first: millions of rows go through here.
    if type(value) in _SIMPLE or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value)


@cache
def _counted(table: str) -> tuple[str, ...]:
    """Return the fields of a table's rows that are results."""
    kind = record_types()[table]
    return tuple(f.name for f in fields(kind) if (kind, f.name) not in _NOT_RESULTS)


def _row(row: Row) -> dict[str, Any]:
    return {name: _plain(getattr(row, name)) for name in _counted(row.table)}


def content_hash(output: Output) -> str:
    """Return the hash over all rows, in order: of their list as canonical JSON, of which a part is made at a time."""
    return digest_parts(_listed(output))


def _listed(output: Output) -> Iterator[str]:
    yield "["
    rows = output.rows
    for start in range(0, len(rows), _AT_ONCE):
        if start:
            yield ","
        yield canonical([[row.table, _row(row)] for row in rows[start : start + _AT_ONCE]])[1:-1]
    yield "]"
