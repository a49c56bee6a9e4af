"""SQL as a source: one SELECT over data files, or over a DuckDB or SQLite database file.

The query comes with a recipe and is not trusted. Which files it reads must stand in it as plain text; they are looked
up before it runs, and the connection it runs on reaches those files and nothing else, with its configuration locked.
A SQLite file is read by Python's own `sqlite3`, opened read-only, allowed to read tables and to call functions.
"""

from __future__ import annotations

import glob
import hashlib
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import Location, Problem, RecipeError
from engine.fingerprint import canonical
from engine.sql.connection import close_off, in_memory
from engine.sql.expressions import Fault, fault_of
from engine.sql.faults import Faults
from engine.sql.files import Files
from engine.sql.query_files import Checked, check_query
from engine.sql.readers import ending, plain
from engine.sql.records import Record
from engine.sql.row_values import json_like

if TYPE_CHECKING:
    import duckdb

_AT_ONCE = 4096
_IN_CSV = re.compile(
    r"CSV Error on Line: (?P<line>\d+)\nOriginal Line: .*\n(?P<why>.+)[^\0]*?\n  file = (?P<file>.+)"
)
_IN_JSON = re.compile(r'in file "(?P<file>[^"]+)", in line (?P<line>\d+): (?P<why>.+)')
_UNSTEADY = {"random", "randomblob", "current_date", "current_time", "current_timestamp"}
"""Functions of SQLite's. `date('now')` cannot be told from `date(column)` by its name."""
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Query:
    """The rows of a SELECT."""

    sql: str
    base: Path
    """The recipe's folder: relative paths in the query start there."""
    files: tuple[Path, ...]
    """What it reads: the data files it names, or the database."""
    database: Path | None = None

    @property
    def name(self) -> str:
        """What is shown in messages: the database, the one file it reads, or that it is a query."""
        file = self.database or (self.files[0] if len(self.files) == 1 else None)
        return f"query over {Location.at(file).file}" if file else "query"

    def rows(self, faults: Faults) -> Iterator[Record]:
        """Yield the rows, numbered from 1; raises RecipeError."""
        faults.file = self.name
        if self.database is not None and _is_sqlite(self.database):
            found = self._from_sqlite(self.database)
        else:
            found = self._from_duckdb()
        for number, values in enumerate(found, start=1):
            yield Record(number, values)

    def digest(self) -> str:
        """Return the digest of the rows: a database file changes with every table in it, the query's rows need not."""
        content = hashlib.sha256()
        for record in self.rows(Faults()):
            content.update(canonical(record.values).encode() + b"\n")
        return content.hexdigest()

    def _from_duckdb(self) -> Iterator[dict[str, Any]]:
        import duckdb

        checked = check_query(self.sql, self.base, self.database is not None)
        if isinstance(checked, Fault):
            raise self._failed(checked)
        try:
            with _confined(checked, self.database) as connection:
                cursor = connection.execute(checked.sql)
                names = [column[0] for column in cursor.description or ()]
                self._check_names(names)
                while rows := cursor.fetchmany(_AT_ONCE):
                    for row in rows:
                        yield {name: json_like(v) for name, v in zip(names, row, strict=True)}
        except duckdb.Error as error:
            self._find_broken_lines(error)
            raise self._failed(_fault_of_file(error) or fault_of(error)) from None

    def _find_broken_lines(self, error: duckdb.Error) -> None:
        """Raise RecipeError for files with broken lines, where DuckDB names the line after, or none.

        In a CSV file it may take a line with a field too many for the first one, and miss the columns.
        """
        endings = {".jsonl", ".json"}
        if "sniffing" in str(error) or "not found" in str(error):
            endings |= {".csv", ".tsv"}
        for file in (file for file in self.files if ending(file) in endings):
            faults = Faults(Location.at(file).file)
            fields = max((len(record.values) for record in Files((file,)).rows(faults)), default=0)
            # CSV with one column is likely parted by something else than commas.
            if fields > 1 or ending(file) not in (".csv", ".tsv"):
                faults.stop()

    def _from_sqlite(self, file: Path) -> Iterator[dict[str, Any]]:
        try:
            connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
            try:
                connection.set_authorizer(_reads_only)
                cursor = connection.execute(self.sql)
                names = [column[0] for column in cursor.description or ()]
                self._check_names(names)
                for row in cursor:
                    yield {name: plain(v) for name, v in zip(names, row, strict=True)}
            finally:
                connection.close()
        except sqlite3.Error as error:
            hint = "it is one SELECT in SQLite's dialect, over this database alone"
            raise self._failed(Fault(f"this SQL does not work: {error}", hint)) from None

    def _check_names(self, names: Sequence[str]) -> None:
        twice = [name for index, name in enumerate(names) if name in names[:index]]
        if twice:
            hint = f"name one of them otherwise: `… AS {twice[0]}_2`"
            raise self._failed(Fault(f"two columns are called '{twice[0]}'", hint))
        if not names:
            raise self._failed(Fault("this gives no columns", "write one SELECT"))

    def _failed(self, fault: Fault) -> RecipeError:
        return RecipeError([Problem(Location(self.name), fault.message, fault.hint, code="sql")])


def _fault_of_file(error: duckdb.Error) -> Fault | None:
    """Return DuckDB's complaint about a line of a CSV or JSON file; None for any other."""
    said = str(error)
    found = _IN_CSV.search(said) or _IN_JSON.search(said)
    if found is None:
        return None
    place = Location(Location.at(Path(found["file"].strip())).file, int(found["line"]))
    hint = "mend this line, or give the columns their types: read_csv('…', types={…})"
    return Fault(f"{place}: {found['why'].rstrip('.')}", hint)


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


def _is_sqlite(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(_SQLITE)) == _SQLITE


@contextmanager
def _confined(checked: Checked, database: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection that reaches the files named, the database and nothing else."""
    with (
        tempfile.TemporaryDirectory(prefix="pada-sql-") as folder,
        in_memory() as connection,
    ):
        if database is not None:
            connection.execute(f"ATTACH {_literal(str(database))} AS data (READ_ONLY)")
            connection.execute("USE data")
        connection.execute(f"SET temp_directory = {_literal(folder)}")
        connection.execute(f"SET allowed_paths = {_list(checked.files)}")
        connection.execute(f"SET allowed_directories = {_list(checked.folders)}")
        close_off(connection)
        yield connection


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(_literal(str(path)) for path in paths)}]::VARCHAR[]"


def resolve_query(sql: str, base: Path, database: str | None) -> Query:
    """Return the query with what it reads, looked up.

    Raises:
        RecipeError: the database or a file is not there, or the query is not one SELECT over files named in it.
    """
    if database is None:
        return Query(sql, base, _files_of(sql, base, has_tables=False))
    file = base / database
    if glob.has_magic(database) or not file.is_file():
        hint = "name a DuckDB or SQLite database file"
        problem = Problem(Location.at(file), "there is no such database", hint, code="data")
        raise RecipeError([problem])
    others = () if _is_sqlite(file) else _files_of(sql, base, has_tables=True)
    return Query(sql, base, (file, *others), file)


def _files_of(sql: str, base: Path, has_tables: bool) -> tuple[Path, ...]:
    checked = check_query(sql, base, has_tables)
    if isinstance(checked, Fault):
        raise RecipeError([Problem(Location("query"), checked.message, checked.hint, code="sql")])
    return checked.files
