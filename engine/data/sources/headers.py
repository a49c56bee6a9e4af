"""The line that names a table's columns: which one it is, what its names may be, and what stands above it.

People put a title above a table: its line is no header, and one line further down looks like one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from engine.data.sources.texts import unreadable
from engine.spec.recipe import Format
from engine.sql.expressions import Fault

Numbered = tuple[int, Sequence[str]]
"""A line, and its cells as text; empty ones have none."""

_MOST_ABOVE = 20
"""Filled lines above the names of the columns."""
_LONGEST_NAME = 100
_MOST_NAMES_SHOWN = 4
_AGREED = 0.8
"""Share of the rows that fit under the names."""

INDEX_LEFT_OUT = Fault(
    "the first column has no name and holds whole numbers, as pandas' index does: it is left out",
    "pandas writes none with `index=False`; to keep it, give it a name",
)


def index_fault(value: str) -> Fault | None:
    """Return what is wrong with a value in a first column without a name; nothing for a whole number."""
    if value.isdecimal():
        return None
    message = "the first column has no name, and holds whole numbers but here"
    return Fault(message, "give the column a name in the first line")


def line_named(form: Format) -> int | None:
    """Return the line that names the columns, where a recipe says which."""
    return None if isinstance(form.header, bool) else form.header


def numbered_names(count: int) -> list[str]:
    """Return what the columns of a table without names are called."""
    return [f"column{number}" for number in range(count)]


def check_named_line(file: Path, form: Format, line: int | None) -> None:
    """Raise RecipeError where the names do not stand on the line that the recipe says.

    Args:
        file: The table.
        form: What the recipe says of it.
        line: The first filled line that is read; None where there is none.
    """
    wanted = line_named(form)
    if wanted is None or line == wanted:
        return
    if line is None:
        message = f"there is no line {wanted}, which format.header says names the columns"
        raise unreadable(file, 1, message, "name the line on which they stand, counted from 1")
    message = f"line {wanted} is empty, and format.header says that it names the columns"
    hint = f"the next line with a value is line {line}: if they stand there, write `format: {{header: {line}}}`"
    raise unreadable(file, wanted, message, hint)


def check_names(
    file: Path, names: Sequence[str], line: int, *, before: int = 0, title: Title | None = None
) -> None:
    """Raise RecipeError for names of columns that are empty or there twice.

    Args:
        file: The table.
        names: The names.
        line: Where they stand.
        before: How many columns stand in front of them.
        title: That the line looks like a title, where it does.
    """
    for index, name in enumerate(names, start=1 + before):
        if not name.strip():
            hint = "give every column a name in this line; where another one has the names, write its number: "
            hint += "`format: {header: 3}`; where none has, `format: {header: false}`"
            raise unreadable(file, line, f"column {index} has no name", said_with(title, hint))
    check_different(file, names, line)


def check_different(file: Path, names: Sequence[str], line: int) -> None:
    """Raise RecipeError for names of columns that are there twice."""
    for name, times in Counter(names).items():
        if times > 1:
            message = f"two columns are called '{name}'"
            raise unreadable(file, line, message, "give each column a name of its own")


def said_with(title: Title | None, hint: str, header: Numbered | None = None) -> str:
    """Return a hint with what the header is that was read, and with the line that looks more like one."""
    read = (
        ""
        if header is None
        else f"; the header that was read is line {header[0]}: {_shown(header[1])}"
    )
    return f"{title.message}: {title.hint}; else {hint}{read}" if title else hint + read


def _shown(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _MOST_NAMES_SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_MOST_NAMES_SHOWN]) + more


class Title(NamedTuple):
    """A line above a table that looks like its title, and what it is told with."""

    message: str
    hint: str
    names: int
    """The line that looks like the names of the columns."""

    @property
    def fault(self) -> Fault:
        """What to tell the user."""
        return Fault(self.message, self.hint)


def title_above(rows: Sequence[Numbered], *, whole: bool = True) -> Title | None:
    """Return that the first line looks like a title and a later one like the names of the columns; None if not.

    Such a line has more values than any above it, all of them short, different and no numbers; most rows below have no
    more, and at least half have more than the lines above.

    Args:
        rows: The first lines.
        whole: Whether rows without values in the last columns are shorter; else most must have as many cells.
    """
    filled = [(line, cells) for line, cells in rows if any(map(str.strip, cells))]
    most = 0
    for place, (line, cells) in enumerate(filled[: _MOST_ABOVE + 1]):
        names, below = _trimmed(cells), filled[place + 1 :]
        if place and len(names) > most and below and _are_names(names):
            fit = sum(
                len(_trimmed(row)) <= len(names) if whole else len(row) == len(cells)
                for _, row in below
            )
            wider = sum(_count(row) > most for _, row in below)
            if fit >= _AGREED * len(below) and 2 * wider >= len(below):
                message = f"line {filled[0][0]} looks like a title, and line {line} like the names of the columns"
                hint = f"if so, write `format: {{header: {line}}}` beside `path`"
                return Title(f"{message} ({_shown(names)})", hint, line)
        most = max(most, _count(cells))
    return None


def _trimmed(cells: Sequence[str]) -> Sequence[str]:
    width = max((place for place, cell in enumerate(cells, start=1) if cell.strip()), default=0)
    return cells[:width]


def _count(cells: Sequence[str]) -> int:
    return sum(bool(cell.strip()) for cell in cells)


def _are_names(cells: Sequence[str]) -> bool:
    names = [cell.strip() for cell in cells]
    return len(set(names)) == len(names) and all(
        name and len(name) <= _LONGEST_NAME and any(map(str.isalpha, name)) for name in names
    )
