"""What the store is asked: finished nodes, replies, a node's rows; each on a connection that is open already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson

from engine.rows import Call, Row
from engine.store.columns import (
    PROVENANCE,
    RunRow,
    columns_of,
    is_stage_table,
    record_types,
    row_from,
)

if TYPE_CHECKING:
    import duckdb


_LOOSE = 50_000
"""Ids that are kept as they come, about 100 bytes each, before they join the array at 24."""


class Spent(NamedTuple):
    """What was asked of LLMs, and what it cost as far as that is known."""

    calls: int
    tokens: int
    cost: float


class Ids:
    """A set of request ids of one length, in little memory: most in one sorted array, the newest as they come."""

    def __init__(self, batches: Iterable[Sequence[str]] = (), length: int = 24) -> None:
        """Take the ids in batches and the length of the longest."""
        self._new: set[str] = set()
        self._old: Any = None
        self._length = length
        arrays = [_bytes(batch, length) for batch in batches]
        if arrays:
            import numpy as np

            self._old = np.sort(np.concatenate(arrays))

    def add(self, identities: Iterable[str]) -> None:
        """Add ids."""
        self._new.update(identities)
        if len(self._new) >= _LOOSE:
            import numpy as np

            length = max(self._length, max(map(len, self._new)))
            arrays = [_bytes(list(self._new), length)]
            if self._old is not None:
                arrays.append(self._old.astype(f"S{length}"))
            self._old = np.sort(np.concatenate(arrays))
            self._length = length
            self._new = set()

    def __contains__(self, identity: str) -> bool:
        if identity in self._new:
            return True
        if self._old is None or not len(self._old) or len(identity) > self._old.dtype.itemsize:
            return False
        key = identity.encode()
        index = int(self._old.searchsorted(key))
        return index < len(self._old) and bool(self._old[index] == key)


def _bytes(batch: Sequence[str], length: int) -> Any:
    import numpy as np

    return np.array([identity.encode() for identity in batch], dtype=f"S{length}")


def finished(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """Return the content hash of every finished node, and the run that made it."""
    rows = connection.execute("SELECT id, content, run FROM node").fetchall()
    return {node: (content, run) for node, content, run in rows}


def usable_calls(connection: duckdb.DuckDBPyConnection) -> Ids:
    """Return the ids of all requests with a usable reply: 24 bytes each."""
    longest = connection.execute(
        "SELECT max(length(id)) FROM llm_call WHERE error IS NULL"
    ).fetchone()
    length = longest[0] if longest else None
    if length is None:
        return Ids()
    cursor = connection.execute("SELECT DISTINCT id FROM llm_call WHERE error IS NULL")
    batches = iter(lambda: [identity for (identity,) in cursor.fetchmany(50_000)], [])
    return Ids(batches, length)


def runs(connection: duckdb.DuckDBPyConnection) -> list[RunRow]:
    """Return all runs, oldest first."""
    rows = connection.execute(f"SELECT {_fields(RunRow)} FROM run ORDER BY id").fetchall()
    return [cast(RunRow, row_from(RunRow, values)) for values in rows]


def last_sign(connection: duckdb.DuckDBPyConnection, run: str) -> datetime | None:
    """Return when a run last finished a node or got a reply; None where it did neither."""
    found = connection.execute(
        "SELECT max(ended) FROM (SELECT ended FROM node WHERE run = $run"
        " UNION ALL SELECT created FROM llm_call WHERE run = $run)",
        {"run": run},
    ).fetchone()
    return cast(datetime | None, found[0]) if found else None


def latest_run(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the highest number that a run ever had of which something is left, 0 before the first."""
    latest = connection.execute(
        "SELECT max(try_cast(substr(run, 2) AS BIGINT)) FROM"
        " (SELECT id AS run FROM run UNION ALL SELECT DISTINCT run FROM llm_call)"
    ).fetchone()
    return int(latest[0] or 0) if latest else 0


def _fields(kind: type[Row]) -> str:
    return ", ".join(f'"{column.name}"' for column in columns_of(kind))


def call_from(values: Sequence[Any]) -> Call:
    """Return a ledger entry from its columns."""
    return cast(Call, row_from(Call, values))


def calls(connection: duckdb.DuckDBPyConnection, wanted: list[str]) -> dict[str, Call]:
    """Return the first usable reply of each request that has one, without what was sent: that is most of it."""
    rows = connection.execute(
        f"SELECT {_fields(Call)} FROM (SELECT * REPLACE ('[]' AS messages) FROM llm_call)"
        " SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS id) USING (id)"
        " WHERE error IS NULL ORDER BY created DESC",
        [wanted],
    ).fetchall()
    return {call.id: call for call in map(call_from, rows)}


def failures(connection: duckdb.DuckDBPyConnection, wanted: list[str]) -> dict[str, list[Call]]:
    """Return the unusable replies of each request that has any, oldest first."""
    rows = connection.execute(
        f"SELECT {_fields(Call)} FROM llm_call SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS id) USING (id)"
        " WHERE error IS NOT NULL ORDER BY created",
        [wanted],
    ).fetchall()
    by_request: dict[str, list[Call]] = {}
    for call in map(call_from, rows):
        by_request.setdefault(call.id, []).append(call)
    return by_request


def spent(connection: duckdb.DuckDBPyConnection, nodes: list[str]) -> Spent:
    """Return calls, tokens and known money of all calls that these nodes asked for."""
    row = connection.execute(
        "SELECT coalesce(sum(calls), 0)::BIGINT, coalesce(sum(prompt_tokens), 0)::BIGINT"
        " + coalesce(sum(completion_tokens), 0)::BIGINT, coalesce(sum(cost), 0)"
        " FROM call_total SEMI JOIN (SELECT unnest(?::VARCHAR[]) AS node) USING (node)",
        [nodes],
    ).fetchone()
    return Spent(*row) if row else Spent(0, 0, 0.0)


@cache
def stage_tables() -> frozenset[str]:
    """Return the tables of stages' rows."""
    return frozenset(table for table in record_types() if is_stage_table(table))


def row_of(table: str, values: Sequence[Any]) -> Row:
    """Return a stage's row from all columns of its table."""
    return row_from(record_types()[table], values[len(PROVENANCE) :])


def outputs(connection: duckdb.DuckDBPyConnection, nodes: list[str]) -> dict[str, list[Row]]:
    """Return each finished node's rows, of all tables, in the order in which it made them."""
    by_node: dict[str, list[Row]] = {}
    marks = connection.execute(
        "SELECT id, run, counts FROM node WHERE list_contains(?, id)", [nodes]
    ).fetchall()
    for node, run, counts in marks:
        in_order: list[tuple[int, Row]] = []
        for table in orjson.loads(counts):
            kind = record_types()[table]
            rows = connection.execute(
                # The run as well: by it DuckDB leaves out what other runs wrote (decision 19).
                f'SELECT position, {_fields(kind)} FROM "{table}" WHERE node = ? AND run = ?',
                [node, run],
            ).fetchall()
            in_order.extend((position, row_from(kind, values)) for position, *values in rows)
        in_order.sort(key=lambda pair: pair[0])
        by_node[node] = [row for _, row in in_order]
    return by_node


def last_identities(
    connection: duckdb.DuckDBPyConnection, names: list[str]
) -> dict[str, dict[str, Any]]:
    """Return the identity of the latest finished node of each name that has one."""
    latest = connection.execute(
        "SELECT name, identity FROM node WHERE list_contains(?, name)"
        " QUALIFY row_number() OVER (PARTITION BY name ORDER BY ended DESC, run DESC) = 1",
        [names],
    ).fetchall()
    return {name: orjson.loads(identity) for name, identity in latest}
