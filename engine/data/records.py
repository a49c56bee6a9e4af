"""What reading gives: rows with their places, bad rows, which rows are wanted, and what the columns hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

from engine.bounds import LARGEST
from engine.errors import EngineError, Location, Problem
from engine.fingerprint import canonical
from engine.spec.recipe import Sample, Source
from engine.sql.expressions import Fault
from engine.sql.row_values import type_name

_PLACES_SHOWN = 5

Row = tuple[int, dict[str, Any]]
"""A row of a file as its reader gives it: line and values."""


class Record(NamedTuple):
    """One row of a source; `line` is its line (text files) or number, from 1."""

    line: int
    values: dict[str, Any]
    file: str = ""
    """Which of a source's files it is from, relative to their folder; empty where there is only one."""
    references: tuple[str, ...] = ()
    """All acceptable answers, the target's first; empty where the target is the only one, as it stands."""
    redacted: tuple[str, ...] = ()
    """Columns that redaction changed."""


class BadRow(NamedTuple):
    """A row that cannot be used, or a line that is not a row."""

    line: int
    fault: Fault
    column: int = 1
    file: str = ""
    """As for a record."""

    def problem(self, origin: str, *, by_row: bool = False) -> Problem:
        """Return it as an error of the row; `origin` is where the rows are, as shown in messages."""
        at = shown(origin, self.file, self.line, self.column, by_row=by_row)
        return Problem(at, self.fault.message, self.fault.hint, code="data")


def told_once(bad: Sequence[BadRow], origin: str, *, by_row: bool = False) -> list[Problem]:
    """Return bad rows as errors: those with the same fault as one, at the first, with how many and where they are.

    Args:
        bad: The rows, in the order of their source.
        origin: Where they are, as shown in messages.
        by_row: Whether they have a number and no place in a file.
    """
    same: dict[Fault, list[BadRow]] = {}
    for row in bad:
        same.setdefault(row.fault, []).append(row)
    problems = []
    for rows in same.values():
        problem = rows[0].problem(origin, by_row=by_row)
        if len(rows) > 1:
            shown_at = [
                f"{r.line} of {r.file}" if r.file else str(r.line) for r in rows[:_PLACES_SHOWN]
            ]
            places = ", ".join(shown_at) + (", …" if len(rows) > _PLACES_SHOWN else "")
            message = f"{problem.message} (the first of {len(rows):,} such rows: {places})"
            problem = replace(problem, message=message)
        problems.append(problem)
    return problems


def check_limit(limit: int | None) -> None:
    """Require that a program keeps a number of rows of each split that there can be; raises EngineError."""
    if limit is not None and not 1 <= limit <= LARGEST:
        hint = "leave it out to keep all of them"
        raise EngineError(f"limit={limit}: a split has 1 to {LARGEST} rows", hint)


def references_of(record: Record, target: str) -> tuple[str, ...]:
    """Return all acceptable answers of a row that a task has put into its form."""
    return record.references or (str(record.values[target]),)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of a source are used, and how their columns are made; in this order."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """New name -> name in the data."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Name -> SQL expression over the columns after `rename`."""
    where: str | None = None
    sample: Sample | None = None
    limit: int | None = None
    """At most so many rows, the first; without `sample` nothing is read behind them."""

    @classmethod
    def of(cls, source: Source) -> Choice:
        """Return what a recipe chooses of a source."""
        return cls(source.rename, source.columns, source.where, source.sample, source.limit)


class ColumnTypes:
    """What the columns of a source hold: types with where each is first seen, and how often nothing."""

    def __init__(self) -> None:
        """Start with no column."""
        self.first: dict[str, dict[str, Record]] = {}
        """Column -> type -> the first row with it."""
        self.rows = 0
        self._filled: dict[str, int] = {}

    def see(self, records: Sequence[Record]) -> None:
        """Take rows into account; column by column, because it is done for every row of a source."""
        self.rows += len(records)
        rows = [record.values for record in records]
        for name in dict.fromkeys(chain.from_iterable(rows)):
            values = [row.get(name) for row in rows]
            types = self.first.setdefault(name, {})
            self._filled[name] = self._filled.get(name, 0) + len(values) - values.count(None)
            for kind in dict.fromkeys(map(type, values)):
                if kind is not type(None) and type_name(kind) not in types:
                    first = next(i for i, value in enumerate(values) if type(value) is kind)
                    types[type_name(kind)] = records[first]

    def empty(self, column: str) -> int:
        """Return in how many rows the column is missing or has no value."""
        return self.rows - self._filled.get(column, 0)

    def described(self, column: str) -> str:
        """Return a column's types in words: `text`, `text or number`, `nothing`."""
        return " or ".join(self.first[column]) or "nothing"


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of one source that are used."""

    records: list[Record]
    bad: list[BadRow]
    """The rows that were left out because they are bad, in the source's order."""
    types: ColumnTypes
    """Of all rows that were read, with the derived columns."""
    digest: str | None = None
    """Of an origin that is known by its rows, where all of them were read."""


def shown(origin: str, file: str, line: int, column: int = 1, *, by_row: bool = False) -> Location:
    """Return where a row is, as shown in messages.

    With `by_row` it has a number and no place: what a query over a file gives is on no line of it.
    """
    if by_row:
        return Location(f"row {line} of the {origin}")
    if not file:
        return Location(origin, line, column)
    return Location(file if origin == "." else f"{origin}/{file}", line, column)


def hash_rows(content: hashlib._Hash, rows: Iterable[Record | BadRow]) -> None:
    """Add rows, as the source has them, to a hash over all of its rows."""
    for row in rows:
        if isinstance(row, Record):
            content.update(canonical(row.values).encode() + b"\n")


def digest_of_rows(rows: Iterable[Record | BadRow]) -> str:
    """Return the digest of a source that is known by its rows."""
    content = hashlib.sha256()
    hash_rows(content, rows)
    return content.hexdigest()
