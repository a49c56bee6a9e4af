"""What is laid down flat when nodes are committed: the rows of one round of one run, joined once (decision 19).

A *part* is what one round shows in one kind of view. It is made of the round's nodes that write the kind's tables, and
of nothing else, so runs that share these nodes share the part. Rows of parts can be made again at any time from the
tables of the nodes; they change in the transaction that changes those.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, NamedTuple

import orjson

from engine.store.flat_rows import CALL_TOTALS, FIRST, KINDS

if TYPE_CHECKING:
    import duckdb


class _Place(NamedTuple):
    """Where a part stands in a run."""

    run: str
    kind: str
    seed: int
    round: int


def lay(connection: duckdb.DuckDBPyConnection, runs: Iterable[str] | None = None) -> None:
    """Bring the parts of these runs (None: of all) up to date with their nodes, in the caller's transaction."""
    chosen = sorted(runs) if runs is not None else None
    wanted = _wanted(connection, chosen)
    present = _present(connection, chosen)
    gone = [place for place, nodes in present.items() if wanted.get(place) != nodes]
    _unlink(connection, gone)
    for place, nodes in wanted.items():
        if present.get(place) != nodes:
            part = _part(connection, place.kind, nodes)
            connection.execute("INSERT INTO run_part VALUES (?, ?, ?, ?, ?)", [*place, part])
    sweep(connection)


def lay_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Lay everything flat anew, as after a migration; in the caller's transaction."""
    for table in ("run_part", "flat_part", *(t for kind in KINDS.values() for t in kind.flat)):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("DELETE FROM call_total")
    connection.execute(CALL_TOTALS, [-1])
    lay(connection)


def lay_again(connection: duckdb.DuckDBPyConnection, nodes: Collection[str]) -> set[str]:
    """Give up the parts that are made of these nodes, whose rows change, and return the runs that showed them."""
    wanted = [sorted(nodes)]
    shown = connection.execute(
        "SELECT DISTINCT run FROM run_part JOIN flat_part USING (part) WHERE list_has_any(nodes, ?)",
        wanted,
    ).fetchall()
    if shown:
        connection.execute(
            "DELETE FROM run_part WHERE part IN (SELECT part FROM flat_part WHERE list_has_any(nodes, ?))",
            wanted,
        )
        sweep(connection)
    return {run for (run,) in shown}


def last_call(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the place of the ledger's last row, for `add_calls`; -1 while it is empty."""
    ((last,),) = connection.execute("SELECT coalesce(max(rowid), -1) FROM llm_call").fetchall()
    return int(last)


def add_calls(connection: duckdb.DuckDBPyConnection, since: int) -> set[str]:
    """Add up the ledger's rows after `since`, and return the nodes that they are of."""
    connection.execute(CALL_TOTALS, [since])
    nodes = connection.execute("SELECT DISTINCT node FROM llm_call WHERE rowid > ?", [since])
    return {node for (node,) in nodes.fetchall()}


def sweep(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete the parts that no run shows."""
    unused = connection.execute(
        "SELECT kind, list(part) FROM flat_part WHERE part NOT IN (SELECT part FROM run_part) GROUP BY kind"
    ).fetchall()
    for kind, parts in unused:
        for table in (*KINDS[kind].flat, "flat_part"):
            connection.execute(f"DELETE FROM {table} WHERE part IN (SELECT unnest(?))", [parts])


def _wanted(
    connection: duckdb.DuckDBPyConnection, runs: list[str] | None
) -> dict[_Place, list[str]]:
    """Return the nodes that each part of these runs is to be made of."""
    found = connection.execute(
        "SELECT r.run, n.id, n.seed, n.round, n.counts FROM run_node r JOIN node n ON n.id = r.node"
        " WHERE r.status <> 'skipped' AND (?::VARCHAR[] IS NULL OR list_contains(?, r.run))"
        " ORDER BY r.run, r.position, n.id",
        [runs, runs],
    ).fetchall()
    loaded: dict[str, list[str]] = {}
    rounds: dict[tuple[str, int, int], list[tuple[str, set[str]]]] = {}
    for run, node, seed, round_, counts in found:
        tables = set(orjson.loads(counts))
        if _is_loaded(tables):
            loaded.setdefault(run, []).append(node)
        rounds.setdefault((run, seed, round_), []).append((node, tables))
    wanted = {}
    for (run, seed, round_), nodes in rounds.items():
        for name, kind in KINDS.items():
            if any(
                tables.intersection(FIRST[name]) and not _is_loaded(tables) for _, tables in nodes
            ):
                own = {node for node, tables in nodes if tables.intersection(kind.tables)}
                wanted[_Place(run, name, seed, round_)] = sorted(own.union(loaded.get(run, [])))
    return wanted


def _is_loaded(tables: Collection[str]) -> bool:
    """Return whether a node with rows in these tables loaded the data: other examples are selected candidates."""
    return "example" in tables and "selected" not in tables


def _present(
    connection: duckdb.DuckDBPyConnection, runs: list[str] | None
) -> dict[_Place, list[str]]:
    found = connection.execute(
        "SELECT run, kind, seed, round, nodes FROM run_part JOIN flat_part USING (part, kind)"
        " WHERE ?::VARCHAR[] IS NULL OR list_contains(?, run)",
        [runs, runs],
    ).fetchall()
    return {_Place(*place): nodes for *place, nodes in found}


def _unlink(connection: duckdb.DuckDBPyConnection, places: list[_Place]) -> None:
    for place in places:
        connection.execute(
            "DELETE FROM run_part WHERE run = ? AND kind = ? AND seed = ? AND round = ?", place
        )


def _part(connection: duckdb.DuckDBPyConnection, kind: str, nodes: list[str]) -> int:
    """Return the part that is made of these nodes; lay it down where there is none."""
    known = connection.execute(
        "SELECT part FROM flat_part WHERE kind = ? AND nodes = ?", [kind, nodes]
    ).fetchone()
    if known:
        return int(known[0])
    ((part,),) = connection.execute("SELECT coalesce(max(part), 0) + 1 FROM flat_part").fetchall()
    connection.execute("INSERT INTO flat_part VALUES (?, ?, ?)", [part, kind, nodes])
    tables = _rows_of(connection, nodes)
    for table, select in KINDS[kind].flat.items():
        connection.execute(f"INSERT INTO {table} {select.format(part=part, **tables)}")
    return int(part)


def _rows_of(connection: duckdb.DuckDBPyConnection, nodes: list[str]) -> dict[str, str]:
    """Return, for each table that a SELECT here may read, the SQL of the rows that these nodes wrote to it."""
    writers: dict[str, list[tuple[str, str, int]]] = {
        table: [] for kind in KINDS.values() for table in (*kind.tables, "example")
    }
    found = connection.execute(
        "SELECT id, run, round, counts FROM node WHERE list_contains(?, id)", [nodes]
    ).fetchall()
    for node, run, round_, counts in found:
        for table in writers.keys() & orjson.loads(counts).keys():
            writers[table].append((node, run, round_))
    return {table: _written(table, by) for table, by in writers.items()}


def _written(table: str, by: list[tuple[str, str, int]]) -> str:
    """Return the SQL of a table's rows that were written by these nodes: (id, run, round) each."""
    if not by:
        return f'(SELECT * FROM "{table}" WHERE false)'
    nodes, runs, rounds = (sorted(set(values)) for values in zip(*by, strict=True))
    # Fingerprints are in no order; runs and rounds are, so by them DuckDB leaves out what lies elsewhere in the table.
    return (
        f'(SELECT * FROM "{table}" WHERE node IN ({_listed(nodes)}) AND run BETWEEN {_listed(runs[:1])} AND'
        f" {_listed(runs[-1:])} AND round BETWEEN {rounds[0]} AND {rounds[-1]})"
    )


def _listed(texts: list[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
