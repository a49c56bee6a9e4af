"""What is wrong with a line of the spool: why no table takes it, in words for whoever mends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from engine.bounds import LARGEST
from engine.store.columns import NodeRow, completed, line, record_types, table_columns

_SHOWN = 60
"""Characters of a value that are shown."""
_BEYOND = {"INTEGER": LARGEST + 1}
"""The first number that a type does not take, where that is not the first beyond 64 bits."""
_WORDS = {"text": "text", "time": "a time", "int": "a whole number", "float": "a number", "bool": "true or false",
          "json": "a JSON text", "texts": "a list of texts", "floats": "a list of numbers"}  # fmt: skip


class ColumnType(NamedTuple):
    """What DuckDB has of a column."""

    data_type: str
    nullable: bool


Types = Mapping[tuple[str, str], ColumnType]
"""By table and column."""


class Checked(NamedTuple):
    """A line of the spool: either its row, or why it has none."""

    table: str
    values: list[Any]
    text: bytes
    """As the store of today reads it, with all columns."""
    fault: str = ""

    @property
    def is_mark(self) -> bool:
        """Whether it says that a node is finished."""
        return not self.fault and self.table == NodeRow.table


def checked(text: bytes, types: Types) -> Checked:
    """Return what a line holds, and what is wrong with it."""
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return Checked("", [], text, f"this is not JSON: {error}")
    if not isinstance(record, list) or not record or not isinstance(record[0], str):
        return Checked("", [], text, "this is no list that begins with a table's name")
    table = record[0]
    if table not in record_types():
        return Checked("", [], text, f"there is no table {_shown(table)}")
    if not text.startswith(b'["%s",' % table.encode()):
        return Checked("", [], text, "this is not as the engine writes a row")
    try:
        values = completed(table, record[1:])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return Checked(table, [], text, "this has fewer values than any engine wrote")
    whole = line(table, values) if len(values) > len(record) - 1 else text
    return Checked(table, values, whole, _fault(table, values, types))


def _fault(table: str, values: list[Any], types: Types) -> str:
    for column, value in zip(table_columns(table), values, strict=False):
        data_type, nullable = types.get((table, column.name), ColumnType("", True))
        if value is None:
            if nullable:
                continue
            return f"{table}.{column.name} has no value"
        if not _FITS[column.kind](value):
            return f"{table}.{column.name} is not {_WORDS[column.kind]}: {_shown(value)}"
        if column.kind == "int" and not _in_range(value, data_type):
            return f"{table}.{column.name} is {_shown(value)}, which is more than the column takes"
    return node_fault(values) if table == NodeRow.table else ""


def node_fault(values: list[Any]) -> str:
    """Return what is wrong with what a node's mark says of itself: its rows are read back by it."""
    named = {column.name: at for at, column in enumerate(table_columns(NodeRow.table))}
    try:
        identity = orjson.loads(values[named["identity"]])
        counts = orjson.loads(values[named["counts"]])
    except (IndexError, orjson.JSONDecodeError):
        return "node.counts or node.identity is not JSON"
    if not isinstance(identity, dict):
        return "node.identity is no object"
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        return "node.counts is no number of rows for each table"
    unknown = sorted(counts.keys() - record_types().keys())
    return f"node.counts: there is no table {_shown(unknown[0])}" if unknown else ""


def counts_of(mark: Checked) -> dict[str, int]:
    """Return how many rows a mark says that its node has in each table."""
    at = [column.name for column in table_columns(NodeRow.table)].index("counts")
    counts: dict[str, int] = orjson.loads(mark.values[at])
    return counts


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _in_range(value: int, data_type: str) -> bool:
    beyond = _BEYOND.get(data_type, 2**63)
    return -beyond <= value < beyond


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_json(value: Any) -> bool:
    try:
        json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: type(value) is str,
    "time": _is_time,
    "int": lambda value: type(value) is int,
    "float": _is_number,
    "bool": lambda value: type(value) is bool,
    "json": _is_json,
    "texts": lambda value: type(value) is list and all(v is None or type(v) is str for v in value),
    "floats": lambda value: type(value) is list and all(v is None or _is_number(v) for v in value),
}
