"""The rows of one split, with the place of each, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.data.records import ColumnTypes, Record, shown
from engine.errors import Location, Problem
from engine.sql.expressions import Fault

Level = Literal["error", "warning"]


@dataclass(slots=True)
class SplitRows:
    """The rows of one split, and where they come from."""

    split: str
    file: str
    """Where the rows are, as shown in messages."""
    source: str
    """The same as it is stored with rows, equal on every machine: a file's name, an address."""
    records: list[Record]
    types: ColumnTypes = field(default_factory=ColumnTypes)
    by_row: bool = False
    """Whether rows have a number and no place in a file."""
    bad: list[str] = field(default_factory=list)
    """Place and fault of each row that was left out, as they are stored."""

    def at(self, record: Record) -> Location:
        """Return where a row is, as shown in messages."""
        return shown(self.file, record.file, record.line, by_row=self.by_row)

    def problem(self, records: Sequence[Record], fault: Fault, level: Level, code: str) -> Problem:
        """Return one problem for rows with the same fault: at the first, with the number of them."""
        more = f" (the first of {len(records)} such rows)" if len(records) > 1 else ""
        return Problem(self.at(records[0]), fault.message + more, fault.hint, level, code)
