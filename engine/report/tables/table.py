"""A table as every renderer takes it: text in cells, and what a column holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "status"]


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column: numbers are right-aligned, a status is shown as a badge where there is colour."""

    title: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, columns, rows of text, and what a reader must know about the numbers."""

    caption: str
    columns: tuple[TableColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def titled(
    *titles: str, numbers: tuple[str, ...] = (), status: str | None = None
) -> tuple[TableColumn, ...]:
    """Return columns by their titles: those among `numbers` hold numbers, the one called `status` a status."""
    return tuple(
        TableColumn(
            title, "number" if title in numbers else "status" if title == status else "text"
        )
        for title in titles
    )
