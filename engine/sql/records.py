"""What reading a source gives: rows with their places, the rows left out, and what the columns hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from typing import Any, NamedTuple

from engine.errors import Location, Problem
from engine.sql.row_values import type_name


class Record(NamedTuple):
    """One row of a source; `line` is its line (text files) or number, from 1."""

    line: int
    values: dict[str, Any]
    file: str = ""
    """Which of a source's files it is from, relative to their folder; empty where there is only one."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of a source are used, and how their columns are made; in this order."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """New name -> name in the data."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Name -> SQL expression over the columns after `rename`."""
    where: str | None = None
    sample: Mapping[str, Any] | None = None
    """`n` rows in all, or for each value of the column `per`, drawn by `seed`."""
    limit: int | None = None
    """At most so many rows, the first; without `sample` nothing is read behind them."""

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> Choice:
        """Return the choice among a recipe's settings for a source; what is left out is not chosen by."""
        return cls(
            **{each.name: source[each.name] for each in fields(cls) if source.get(each.name)}
        )


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
    bad: list[Problem]
    """The rows that were left out because they are bad."""
    types: ColumnTypes
    """Of all rows that were read, with the derived columns."""


def shown(place: str, file: str, line: int) -> Location:
    """Return where a row is, as shown in messages."""
    return Location(f"{place}/{file}" if file else place, line, 1)
