"""Ingesting: segments of the spool into DuckDB, each exactly once, in one transaction; and what people say of rows.

People's verdicts go straight into DuckDB's file, each in a transaction of its own, also beside a run or another
reviewer: whoever writes waits for the others, and what is written is there, whatever becomes of the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from engine.rows import Review
from engine.store import flat
from engine.store.columns import (
    KEYS,
    Kind,
    completed,
    is_stage_table,
    line,
    record_types,
    table_columns,
    values_of,
)
from engine.store.file import FILE, Notice, opened, translated
from engine.store.ingest.faults import node_fault
from engine.store.spool import BrokenLine, Segment, parse, read_lines

if TYPE_CHECKING:
    import duckdb

_NODE, _LINK, _CALL = b'["node",', b'["run_node",', b'["llm_call",'
"""How the lines of these tables begin."""
_BATCH = 16 * 1024 * 1024
"""Bytes of lines between two INSERTs: bounds the memory that ingesting takes."""
PATIENCE = 10.0
"""Seconds that a verdict waits for a run, or another program, that has the file."""


def ingest(
    connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment], present: Sequence[Segment]
) -> int:
    """Insert what the store does not yet have of these segments, in one transaction; return the number of rows.

    The table `ingest` remembers what is in, until the segment's file is no longer among those `present`.

    Raises:
        BrokenLine: a line is no row of a table; nothing is inserted then, as where DuckDB refuses one.
    """
    connection.execute("BEGIN")
    try:
        known = _known(connection)
        gone = known - {segment.key for segment in present}
        if gone:
            connection.execute("DELETE FROM ingest WHERE list_contains(?, segment)", [sorted(gone)])
        new = [segment for segment in segments if segment.key not in known]
        last_call = flat.last_call(connection)
        total = 0
        for segment in new:
            rows = _ingest_segment(connection, segment)
            connection.execute("INSERT INTO ingest VALUES (?, ?)", [segment.key, rows])
            total += rows
        _lay(connection, new, last_call)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return total


def _lay(
    connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment], last_call: int
) -> None:
    """Lay flat what the segments' rows change: parts of runs with new nodes, and what is summed over calls."""
    changed, runs, calls = set[str](), set[str](), False
    for segment in segments:
        for text in read_lines(segment.path):
            if text.startswith(_NODE):
                changed.add(str(parse(segment, text)[1]))
            elif text.startswith(_LINK):
                runs.add(str(parse(segment, text)[1]))
            elif text.startswith(_CALL):
                calls = True
    if calls:
        changed |= flat.add_calls(connection, last_call)
    if changed:
        runs |= flat.lay_again(connection, changed)
        runs |= {
            run
            for (run,) in connection.execute(
                "SELECT DISTINCT run FROM run_node WHERE list_contains(?, node)", [sorted(changed)]
            ).fetchall()
        }
    if runs:
        flat.lay(connection, runs)


def _known(connection: duckdb.DuckDBPyConnection) -> set[str]:
    return {key for (key,) in connection.execute("SELECT segment FROM ingest").fetchall()}


def not_ingested(
    connection: duckdb.DuckDBPyConnection, segments: Sequence[Segment]
) -> list[Segment]:
    """Return the segments whose rows are not in the store."""
    known = _known(connection)
    return [segment for segment in segments if segment.key not in known]


def finished_nodes(segment: Segment) -> set[str]:
    """Return the nodes that a segment holds whole: those with a `node` line; raises BrokenLine for a wrong one."""
    nodes = set()
    for text in read_lines(segment.path):
        if text.startswith(_NODE):
            record = parse(segment, text)
            if fault := node_fault(completed("node", record[1:])):
                raise BrokenLine(segment, fault)
            nodes.add(str(record[1]))
    return nodes


def records(segment: Segment, whole: set[str]) -> Iterator[tuple[str, list[Any]]]:
    """Yield (table, values) of a segment's rows, without those of nodes that a kill left unfinished."""
    for text in read_lines(segment.path):
        record = parse(segment, text)
        table = str(record[0])
        if not is_stage_table(table) or record[1] in whole:
            yield table, completed(table, record[1:])


def _ingest_segment(connection: duckdb.DuckDBPyConnection, segment: Segment) -> int:
    whole = finished_nodes(segment)
    _forget(connection, whole)
    return sum(
        insert(connection, segment, table, lines, whole) for table, lines in _lines(segment.path)
    )


def _lines(path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """Yield a segment's lines by their tables, as many at a time as memory should hold."""
    waiting: dict[str, list[bytes]] = {}
    size = 0
    for text in read_lines(path):
        table = text[2 : text.find(b'"', 2)].decode("utf-8", "replace")
        waiting.setdefault(table, []).append(text)
        size += len(text)
        if size >= _BATCH:
            yield from waiting.items()
            waiting, size = {}, 0
    yield from waiting.items()


def _forget(connection: duckdb.DuckDBPyConnection, nodes: set[str]) -> None:
    """Delete earlier rows of nodes that were done again."""
    if not nodes:
        return
    old = connection.execute(
        "SELECT id, counts FROM node WHERE list_contains(?, id)", [sorted(nodes)]
    ).fetchall()
    tables = {table for _, counts in old for table in orjson.loads(counts)} & record_types().keys()
    for table in sorted(tables):
        connection.execute(
            f'DELETE FROM "{table}" WHERE list_contains(?, node)', [[node for node, _ in old]]
        )


def insert(
    connection: duckdb.DuckDBPyConnection,
    segment: Segment,
    table: str,
    lines: list[bytes],
    whole: set[str],
) -> int:
    """Insert what the lines say, but for rows of nodes that are not `whole`; return how many rows that were.

    Raises:
        BrokenLine: there is no such table, or a line is no row. What DuckDB says of values is raised as it is.
    """
    if table not in record_types():
        raise BrokenLine(segment, f"there is no table '{table[:60]}'")
    lines = _completed_lines(segment, table, lines)
    try:
        if table in KEYS:
            lines = _latest(segment, table, lines)
        arguments = [[text.decode() for text in lines]]
    except (UnicodeDecodeError, IndexError, TypeError) as error:
        raise BrokenLine(segment, str(error)) from error
    if is_stage_table(table):
        if not whole:
            return 0
        arguments.append(sorted(whole))
    counted = connection.execute(statement(table), arguments).fetchone()
    return int(counted[0]) if counted else 0


def _completed_lines(segment: Segment, table: str, lines: list[bytes]) -> list[bytes]:
    """Return lines with all of the table's columns: those of an earlier engine end before columns that came later."""
    # A segment is written by one process, so its first line speaks for all of them.
    if len(parse(segment, lines[0])) > len(table_columns(table)):
        return lines
    try:
        return [line(table, completed(table, parse(segment, text)[1:])) for text in lines]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise BrokenLine(
            segment, f"a row of {table} has fewer values than any engine wrote"
        ) from error


def _latest(segment: Segment, table: str, lines: list[bytes]) -> list[bytes]:
    """Return the last line of each key: DuckDB refuses to replace a row twice in one statement."""
    key = [i for i, column in enumerate(table_columns(table), 1) if column.name in KEYS[table]]
    last: dict[tuple[Any, ...], bytes] = {}
    for text in lines:
        record = parse(segment, text)
        last[tuple(record[i] for i in key)] = text
    return list(last.values())


_VALUES: dict[Kind, str] = {
    "text": "{}",
    "json": "{}",
    "time": "{}::TIMESTAMP",
    "int": "{}::BIGINT",
    "float": "{}::DOUBLE",
    "bool": "{}::BOOLEAN",
    "texts": "from_json({}, '[\"VARCHAR\"]')",
    "floats": "from_json({}, '[\"DOUBLE\"]')",
}
"""SQL that makes a column's value of the text that `json_extract_string` returns."""


@cache
def statement(table: str) -> str:
    """Return the INSERT that takes lines, and the whole nodes as well if the table's rows belong to nodes.

    DuckDB reads the JSON itself: it takes a third of the time that Python takes, and lets other threads work.
    """
    columns = table_columns(table)
    names = ", ".join(f'"{column.name}"' for column in columns)
    paths = ", ".join(f"'$[{at}]'" for at in range(1, len(columns) + 1))
    values = [_VALUES[column.kind].format(f"v[{at}]") for at, column in enumerate(columns, 1)]
    verb = "INSERT OR REPLACE INTO" if table in KEYS else "INSERT INTO"
    where = "WHERE list_contains(?, v[1])" if is_stage_table(table) else ""
    return (
        f'{verb} "{table}" ({names}) SELECT {", ".join(values)} '
        f"FROM (SELECT json_extract_string(unnest(?), [{paths}]) AS v) {where}"
    )


def add_reviews(
    state: Path, reviews: Sequence[Review], *, wait: float = PATIENCE, notice: Notice | None = None
) -> None:
    """Add people's verdicts, all or none; they are durable when this returns.

    Raises:
        StoreError: the file is held open for `wait` seconds, or cannot be written.
    """
    import duckdb

    lines = [line(Review.table, values_of(review)).decode() for review in reviews]
    path = state / FILE
    with opened(path, write=True, wait=wait, notice=notice) as connection:
        try:
            connection.execute(statement(Review.table), [lines])
        except duckdb.Error as error:
            raise translated(error, path) from error
