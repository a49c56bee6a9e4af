"""SQL as a source: one SELECT over data files, or over a DuckDB or SQLite database file.

What it reads is looked up before it runs; `engine.sql.queries` runs it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.data.records import BadRow, Record, digest_of_rows
from engine.data.sources.files import NO_DATA, Files, find_files, passed_file, problem
from engine.data.sources.readers import ending
from engine.errors import Location, Problem, RecipeError, boundary
from engine.sql.expressions import Fault
from engine.sql.queries import QueryError, is_sqlite, listed, run_query, run_sqlite
from engine.sql.query_files import Checked, NamedFiles, check_query

_IN_CSV = re.compile(
    r"CSV Error on Line: (?P<line>\d+)\nOriginal Line: .*\n(?P<why>.+)[^\0]*?\n  file = (?P<file>.+)"
)
_IN_JSON = re.compile(r'in file "(?P<file>[^"]+)", in line (?P<line>\d+): (?P<why>.+)')


_OF_DATABASES = ("", ".wal", "-wal", "-journal", "-shm")
"""What DuckDB and SQLite read beside a database file, by what is put to its name."""


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

    @property
    def by_row(self) -> bool:
        """True: a row of the answer is on no line of what it was made from."""
        return True

    @property
    def known_by_rows(self) -> bool:
        """True: a database file changes with every table in it, the query's rows need not."""
        return True

    def rows(self) -> Iterator[Record | BadRow]:
        """Yield the rows, numbered from 1; raises RecipeError."""
        if self.database is not None and is_sqlite(self.database):
            rows = run_sqlite(self.sql, self.database)
        else:
            rows = run_query(_checked(self.sql, self.base, self.database), self.database, self.sql)
        try:
            yield from self._numbered(rows)
        except QueryError as error:
            self._refuse_broken_lines(error.complaint)
            fault = _fault_of_file(error.complaint) or error.fault
            raise _refused(fault, self.name) from None

    def _numbered(self, rows: Iterator[dict[str, Any]]) -> Iterator[Record]:
        """Yield rows with their numbers; what Python cannot hold of them raises whatever it likes."""
        hint = "convert such values to text: `CAST(column AS VARCHAR)`"
        with boundary(
            lambda reason: _refused(Fault(f"a value cannot be read: {reason}", hint), self.name)
        ):
            try:
                for number, values in enumerate(rows, start=1):
                    yield Record(number, values)
            except QueryError as error:
                refused = error
            else:
                return
        raise refused

    def digest(self) -> str:
        """Return the digest of the rows; raises RecipeError."""
        return digest_of_rows(self.rows())

    def _refuse_broken_lines(self, complaint: str) -> None:
        """Raise RecipeError for files with broken lines, where DuckDB names the line after, or none.

        In a CSV file it may take a line with a field too many for the first one, and miss the columns.
        """
        if not complaint:
            return
        endings = {".jsonl", ".json"}
        if "sniffing" in complaint or "not found" in complaint:
            endings |= {".csv", ".tsv"}
        for file in (file for file in self.files if ending(file) in endings):
            fields, broken = 0, list[BadRow]()
            for row in Files((file,)).rows():
                if isinstance(row, Record):
                    fields = max(fields, len(row.values))
                elif len(broken) < 10:
                    broken.append(row)
            # CSV with one column is likely parted by something else than commas.
            if broken and (fields > 1 or ending(file) not in (".csv", ".tsv")):
                raise RecipeError([row.problem(Location.at(file).file) for row in broken])


def _checked(sql: str, base: Path, database: Path | None, place: str = "query") -> Checked:
    def look_up(name: str) -> NamedFiles:
        files = find_files(name, base)
        for file in (file for file in files.files if ending(file) == ".xlsx"):
            hint = "name the file as `path`, or save the sheet as CSV"
            raise problem(file, "a query does not read Excel files", hint)
        # DuckDB looks for itself, and finds files that begin with a dot, too.
        seen = listed(base / name) if files.root is not None else []
        return NamedFiles([passed_file(f, base) for f in (*files.files, *seen)], files.root)

    checked = check_query(sql, base, database is not None, look_up)
    if isinstance(checked, Fault):
        raise _refused(checked, place)
    return checked


def _refused(fault: Fault, place: str) -> RecipeError:
    hint = fault.hint or "check the query, and what it reads"
    return RecipeError([Problem(Location(place), fault.message, hint, code="sql")])


def _fault_of_file(complaint: str) -> Fault | None:
    """Return DuckDB's complaint about a line of a CSV or JSON file; None for any other."""
    match = _IN_CSV.search(complaint) or _IN_JSON.search(complaint)
    if match is None:
        return None
    place = Location(Location.at(Path(match["file"].strip())).file, int(match["line"]))
    hint = "correct this line, or give the columns their types: read_csv('…', types={…})"
    return Fault(f"{place}: {match['why'].rstrip('.')}", hint)


def resolve_query(sql: str, base: Path, database: str | None) -> Query:
    """Return the query with what it reads, looked up.

    Raises:
        RecipeError: the database or a file is not there, or the query is not one SELECT over files named in it.
    """
    if database is None:
        return Query(sql, base, _checked(sql, base, None).files)
    file = base / database
    for beside in _OF_DATABASES:
        passed_file(file.with_name(f"{file.name}{beside}"), base)
    if glob.has_magic(database) or not file.is_file():
        hint = "name a DuckDB or SQLite database file"
        problem = Problem(Location.at(file), "there is no such database", hint, code=NO_DATA)
        raise RecipeError([problem])
    file = passed_file(file, base)
    others = () if is_sqlite(file) else _checked(sql, base, file).files
    return Query(sql, base, (file, *others), file)
