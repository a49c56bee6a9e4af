"""Reading beside a run: one SELECT at a time on a connection that can neither write nor leave the store's file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.errors import StoreError
from engine.store import lock
from engine.store.file import FILE, Notice, opened
from engine.store.ingest import unfolded
from engine.store.migrate import newest, version
from engine.store.spool import Segment, read_lines, segments

if TYPE_CHECKING:
    import duckdb

WAIT = 5.0
"""Seconds a query waits while a fold has the file: folds take tens of milliseconds."""
_CLOSED_OFF = {"enable_external_access": "false", "lock_configuration": "true"}


class Unseen(NamedTuple):
    """Rows that a run has produced and that queries do not see yet."""

    rows: int
    run: str
    """Run that is going on, empty when none is."""
    pid: int
    """Its process, 0 when none is."""


class Answer(NamedTuple):
    """The open result of a query: a pyarrow RecordBatchReader, DuckDB's type per column, and what is missing."""

    reader: Any
    types: dict[str, str]
    unseen: Unseen


@contextlib.contextmanager
def ask(
    state: Path,
    sql: str,
    parameters: Sequence[Any] = (),
    *,
    wait: float = WAIT,
    notice: Notice | None = None,
    batch: int = 100_000,
) -> Iterator[Answer]:
    """Run one SELECT (or DESCRIBE, SHOW, SUMMARIZE, EXPLAIN) and stream its rows; the file is held meanwhile.

    Raises:
        StoreError: there is no store, it is held open for `wait` seconds, or the SQL is wrong, is several
            statements, or would write.
    """
    import duckdb

    path = state / FILE
    if not path.exists():
        raise StoreError(
            f"there is no store at {path}", "`pada run RECIPE` makes one; --state names its folder"
        )
    with opened(path, write=False, wait=wait, notice=notice, config=_CLOSED_OFF) as connection:
        found = version(connection, path)
        missing = _unseen(state, connection)
        try:
            statement = _only_reads(connection, sql)
            relation = connection.sql(statement, params=list(parameters) or None)
            if relation is None:
                raise StoreError("the query returns nothing", "write a SELECT")
            types = dict(zip(relation.columns, map(str, relation.types), strict=False))
            yield Answer(relation.to_arrow_reader(batch), types, missing)
        except duckdb.Error as error:
            raise _of_earlier(reworded(error), found) from error


def rows(
    state: Path, sql: str, parameters: Sequence[Any] = (), *, wait: float = WAIT
) -> list[dict[str, Any]]:
    """Return the rows of one SELECT by column name; JSON columns are text. Raises StoreError as `ask` does."""
    with ask(state, sql, parameters, wait=wait) as answer:
        found: list[dict[str, Any]] = answer.reader.read_all().to_pylist()
    return found


def reader(
    state: Path, *, wait: float = WAIT
) -> Callable[[str, Sequence[Any]], list[dict[str, Any]]]:
    """Return `rows` bound to one store: what the report asks its questions with."""
    return lambda sql, parameters: rows(state, sql, parameters, wait=wait)


def unseen(state: Path, *, wait: float = WAIT) -> Unseen:
    """Return how many spooled rows queries do not see yet, and which run is writing."""
    with opened(state / FILE, write=False, wait=wait, config=_CLOSED_OFF) as connection:
        return _unseen(state, connection)


def _unseen(state: Path, connection: duckdb.DuckDBPyConnection) -> Unseen:
    spooled: list[Segment] = unfolded(connection, segments(state / "spool"))
    count = sum(1 for segment in spooled for _ in read_lines(segment.path))
    holder = lock.holder(state)
    return Unseen(count, holder.run if holder else "", holder.pid if holder else 0)


def _of_earlier(error: StoreError, found: int) -> StoreError:
    """Say so where the store lacks what newer ones have: reading does not bring it up to date."""
    if found >= newest():
        return error
    hint = "an earlier engine wrote this store: `pada plan RECIPE` or `pada run RECIPE` brings it up to date"
    return StoreError(error.message, f"{error.hint}\n    {hint}".strip())


def _only_reads(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    import duckdb

    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        raise StoreError(
            "no statement" if not statements else f"{len(statements)} statements at once",
            "write one SELECT",
        )
    if statements[0].type not in {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}:
        kind = statements[0].type.name.replace("_", " ")
        raise StoreError(
            f"{kind} is not possible: queries read the store and change nothing",
            "write a SELECT; for experiments copy the file and open the copy with DuckDB",
        )
    return str(statements[0].query)


def reworded(error: duckdb.Error) -> StoreError:
    """Return DuckDB's complaint about a query without its prefix; its suggestion and place become the hint."""
    text = str(error)
    head, _, rest = text.partition("\n")
    kind, separator, message = head.partition(" Error: ")
    hint = "\n    ".join(part for part in rest.splitlines() if part.strip())
    if "file system operations are disabled" in text:
        return StoreError(
            "queries read the store and no other file",
            "export what you need with --csv or --parquet",
        )
    return StoreError(message if separator and len(kind) < 30 else head, hint)
