"""Folding: spool segments into DuckDB, each exactly once, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from engine.store.columns import KEYS, Kind, completed, has_place, table_columns
from engine.store.spool import Segment, parse, read_lines

if TYPE_CHECKING:
    import duckdb

_BATCH = 20_000
"""Rows per INSERT: bounds the memory of a fold."""


def fold(
    connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment], present: Sequence[Segment]
) -> int:
    """Insert what the store lacks of these segments, in one transaction; return the number of rows.

    The table `fold` remembers what is in, until the segment's file is no longer among those `present`.
    """
    connection.execute("BEGIN")
    try:
        known = {key for (key,) in connection.execute("SELECT segment FROM fold").fetchall()}
        gone = known - {segment.key for segment in present}
        if gone:
            connection.execute("DELETE FROM fold WHERE list_contains(?, segment)", [sorted(gone)])
        total = 0
        for segment in segments:
            if segment.key not in known:
                rows = _fold_one(connection, segment)
                connection.execute("INSERT INTO fold VALUES (?, ?)", [segment.key, rows])
                total += rows
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return total


def unfolded(connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment]) -> list[Segment]:
    """Return the segments whose rows the store lacks."""
    known = {key for (key,) in connection.execute("SELECT segment FROM fold").fetchall()}
    return [segment for segment in segments if segment.key not in known]


def finished_nodes(segment: Segment) -> set[str]:
    """Return the nodes that a segment holds whole: those with a `node` line."""
    return {
        str(parse(segment, text)[1])
        for text in read_lines(segment.path)
        if text.startswith(b'["node",')
    }


def records(segment: Segment, whole: set[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield (table, values) of a segment's rows, without those of nodes that a kill left unfinished."""
    for text in read_lines(segment.path):
        record = parse(segment, text)
        table = str(record[0])
        if not has_place(table) or record[1] in whole:
            yield table, completed(table, record[1:])


def _fold_one(connection: duckdb.DuckDBPyConnection, segment: Segment) -> int:
    whole = finished_nodes(segment)
    _forget(connection, whole)
    waiting: dict[str, list[list[Any]]] = {}
    total = 0
    for table, values in records(segment, whole):
        rows = waiting.setdefault(table, [])
        rows.append(values)
        total += 1
        if len(rows) >= _BATCH:
            _insert(connection, table, waiting.pop(table))
    for table, rows in waiting.items():
        _insert(connection, table, rows)
    return total


def _forget(connection: duckdb.DuckDBPyConnection, nodes: set[str]) -> None:
    """Delete earlier rows of nodes that were done again."""
    if not nodes:
        return
    old = connection.execute(
        "SELECT id, counts FROM node WHERE list_contains(?, id)", [sorted(nodes)]
    ).fetchall()
    tables = {table for _, counts in old for table in orjson.loads(counts)}
    for table in sorted(tables):
        connection.execute(
            f'DELETE FROM "{table}" WHERE list_contains(?, node)', [[node for node, _ in old]]
        )


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: list[list[Any]]) -> None:
    import pyarrow as pa

    columns = table_columns(table)
    if table in KEYS:
        rows = _latest(rows, [i for i, column in enumerate(columns) if column.name in KEYS[table]])
    arrays = [
        pa.array(values, _arrow_type(column.kind))
        for column, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]
    names = ", ".join(f'"{column.name}"' for column in columns)
    verb = "INSERT OR REPLACE INTO" if table in KEYS else "INSERT INTO"
    connection.register(
        "incoming", pa.Table.from_arrays(arrays, [column.name for column in columns])
    )
    try:
        connection.execute(f'{verb} "{table}" ({names}) SELECT {names} FROM incoming')
    finally:
        connection.unregister("incoming")


def _latest(rows: list[list[Any]], key: list[int]) -> list[list[Any]]:
    """Return the last row of each key: DuckDB refuses to replace a row twice in one statement."""
    return list({tuple(row[i] for i in key): row for row in rows}.values())


def _arrow_type(kind: Kind) -> Any:
    import pyarrow as pa

    return {
        "text": pa.string(),
        "json": pa.string(),
        "time": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "texts": pa.list_(pa.string()),
        "floats": pa.list_(pa.float64()),
    }[kind]
