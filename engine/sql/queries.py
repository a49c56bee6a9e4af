"""A query run on its own: over files that it names, or over a DuckDB or SQLite database file.

The query comes with a recipe and is not trusted. `query_files.check_query` finds which files it reads before it runs,
and the connection it runs on reaches those files and nothing else, with its configuration locked. A SQLite file is
read by Python's own `sqlite3`, opened read-only, allowed to read tables and to call functions. Both run in a process of
their own, within the recipe's limits (`engine.sandbox`).
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import sandbox
from engine.sql.connection import close_off, in_memory, prepare
from engine.sql.expressions import Fault, fault_of
from engine.sql.query_files import Checked
from engine.sql.row_values import json_value, sql_value

if TYPE_CHECKING:
    import duckdb

_AT_ONCE, _CHARACTERS = 4096, 1 << 22
"""Rows of a part, and characters of its texts."""
_FETCHED = 64
"""Rows that DuckDB makes values of at a time."""
_SPILLED = 10
"""What a query may put onto the disk, in times of its memory."""
_UNSTEADY = {"random", "randomblob", "current_date", "current_time", "current_timestamp"}
"""Functions of SQLite's. `date('now')` cannot be distinguished from `date(column)` by its name."""
_SQLITE = b"SQLite format 3\0"


class QueryError(Exception):
    """A query that cannot be run to its end."""

    def __init__(self, fault: Fault, complaint: str = "") -> None:
        """Take the problem, and DuckDB's full message."""
        super().__init__(fault, complaint)
        self.fault, self.complaint = fault, complaint


def listed(pattern: Path) -> list[Path]:
    """Return the files that DuckDB finds for a pattern; it opens none of them. Raises QueryError and Overrun."""
    return sandbox.call(_listed, pattern, text=str(pattern), prepare=prepare)


def _listed(pattern: Path) -> list[Path]:
    import duckdb

    try:
        with in_memory() as connection:
            found = connection.execute("SELECT file FROM glob(?)", [str(pattern)]).fetchall()
    except duckdb.Error as error:
        raise QueryError(fault_of(error), str(error)) from None
    return [Path(file) for (file,) in found]


def run_query(checked: Checked, database: Path | None, text: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a query over files or over the tables of a DuckDB file.

    Args:
        checked: The query.
        database: The DuckDB file.
        text: The query as the recipe has it.

    Raises:
        QueryError: it cannot be run to its end.
        Overrun: it takes more than the recipe's limits let it.
    """
    return _rows(sandbox.stream(_queried, checked, database, text=text, prepare=prepare), text)


def run_sqlite(sql: str, file: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a query over the tables of a SQLite file; raises QueryError and Overrun."""
    return _rows(sandbox.stream(_queried_sqlite, sql, file, text=sql), sql)


def _rows(parts: Generator[list[tuple[Any, ...]]], text: str) -> Iterator[dict[str, Any]]:
    """Yield rows out of the names of the columns and parts of their values; raises Overrun for too many."""
    most, count = sandbox.current().rows, 0
    names: list[str] = []
    # Where nobody wants the rest, or there is too much of it, it is not left to be computed.
    with closing(parts):
        for part in parts:
            if not names:
                names = list(part[0])
                continue
            count += len(part)
            if count > most:
                raise sandbox.Overrun("rows", text)
            for row in part:
                yield dict(zip(names, row, strict=True))


def _queried(checked: Checked, database: Path | None) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the names of the columns, then the rows part by part; raises QueryError."""
    import duckdb

    try:
        with _confined(checked, database) as connection:
            cursor = connection.execute(checked.sql)
            names = [column[0] for column in cursor.description or ()]
            _check_names(names)
            yield [tuple(names)]
            found = (row for rows in iter(partial(cursor.fetchmany, _FETCHED), []) for row in rows)
            yield from _parts(tuple(map(sql_value, row)) for row in found)
    except duckdb.Error as error:
        raise QueryError(fault_of(error), str(error)) from None


def _queried_sqlite(sql: str, file: Path) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the names of the columns, then the rows part by part; raises QueryError."""
    try:
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            # What is sorted goes where there is a limit, and not onto the disk.
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.set_authorizer(_reads_only)
            cursor = connection.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            _check_names(names)
            yield [tuple(names)]
            yield from _parts(tuple(map(json_value, row)) for row in cursor)
        finally:
            connection.close()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOMEM:
            raise sandbox.Overrun("memory") from None
        hint = "it is one SELECT in SQLite's dialect, over this database alone"
        raise QueryError(Fault(f"this SQL does not work: {error}", hint)) from None


def _parts(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows in parts that are neither many rows nor long."""
    part: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(len(value) for value in row if isinstance(value, str))
        if len(part) == _AT_ONCE or size > _CHARACTERS:
            yield part
            part, size = [], 0
    if part:
        yield part


def _check_names(names: Sequence[str]) -> None:
    twice = [name for index, name in enumerate(names) if name in names[:index]]
    if twice:
        hint = f"rename one of them: `… AS {twice[0]}_2`"
        raise QueryError(Fault(f"two columns are called '{twice[0]}'", hint))
    if not names:
        raise QueryError(Fault("this gives no columns", "write one SELECT"))


def _reads_only(action: int, _: str | None, name: str | None, *__: str | None) -> int:
    """Let SQLite select, read columns and call functions; not attach, write, set or draw lots."""
    allowed = {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    }
    steady = action != sqlite3.SQLITE_FUNCTION or name not in _UNSTEADY
    return sqlite3.SQLITE_OK if action in allowed and steady else sqlite3.SQLITE_DENY


def is_sqlite(file: Path) -> bool:
    """Tell whether a file is a SQLite database; raises OSError."""
    with file.open("rb") as stream:
        return stream.read(len(_SQLITE)) == _SQLITE


@contextmanager
def _confined(checked: Checked, database: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection that reaches the files named, the database and nothing else."""
    with (
        tempfile.TemporaryDirectory(prefix="pada-sql-") as folder,
        in_memory() as connection,
    ):
        own = [database, database.with_name(f"{database.name}.wal")] if database else []
        memory = sandbox.current().memory
        # Below what the process may take: what does not fit goes to the disk.
        connection.execute(f"SET memory_limit = '{int(memory * 600)}MB'")
        connection.execute(f"SET temp_directory = {_literal(folder)}")
        connection.execute(f"SET max_temp_directory_size = '{int(memory * 1000 * _SPILLED)}MB'")
        connection.execute(f"SET allowed_paths = {_list([*checked.files, *own])}")
        connection.execute(f"SET allowed_directories = {_list(checked.folders)}")
        close_off(connection)
        if database is not None:
            # Behind the door: what a database holds, or the log beside it, opens nothing by being attached.
            connection.execute(f"ATTACH {_literal(str(database))} AS data (READ_ONLY)")
            connection.execute("USE data")
        yield connection


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(_literal(str(path)) for path in paths)}]::VARCHAR[]"
