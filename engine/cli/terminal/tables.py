"""Tables on a terminal: as wide as it is, and one field per line where a table would cut what must stay whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

LEAST = 24
"""Characters to which prose may be cut; ids, names and numbers may not be cut at all."""


def fitted(
    console: Console,
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[bool],
    *,
    lined: bool = False,
    cut: Sequence[bool] | None = None,
) -> RenderableType:
    """Return rows as a table, or each with one field per line where the table does not fit.

    Args:
        console: Where they are to be shown.
        titles: Of the columns.
        rows: A text for each column.
        right: Whether a column is aligned to the right.
        lined: Whether the table has lines.
        cut: Whether a column's texts may be cut; those that hold prose when left out.
    """
    may = (
        list(cut)
        if cut is not None
        else [prose(row[at] for row in rows) for at in range(len(titles))]
    )
    widths = [
        max([cell_len(title), *(cell_len(row[at]) for row in rows)])
        for at, title in enumerate(titles)
    ]
    least = [min(width, LEAST) if free else width for width, free in zip(widths, may, strict=True)]
    between = 3 * len(titles) + 1 if lined else 2 * (len(titles) - 1)
    if sum(least) + between > console.width:
        beside = console.width - max(map(cell_len, titles)) - 2
        return Group(*(_record(number, titles, row, beside) for number, row in enumerate(rows, 1)))
    table = (
        Table(header_style="bold")
        if lined
        else Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    )
    widths = _shared(widths, least, console.width - between)
    for title, number, width in zip(titles, right, widths, strict=True):
        table.add_column(
            Text(title),
            justify="right" if number else "left",
            overflow="ellipsis",
            no_wrap=True,
            width=width,
        )
    for row in rows:
        table.add_row(*map(_shown, row))
    return table


def _shared(wanted: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Return the widths of columns: what each wants, or the least and an even share of what room there is beyond it.

    Rich shortens all columns alike, also those that may not be cut, and then draws past the edge.
    """
    given = list(least)
    left = max(0, room - sum(least))
    short = sorted(range(len(wanted)), key=lambda at: wanted[at] - least[at])
    for done, at in enumerate(short):
        more = min(wanted[at] - least[at], left // (len(short) - done))
        given[at] += more
        left -= more
    return given


def prose(texts: Iterable[str]) -> bool:
    """Return whether texts may be cut: where one has blanks, it is no id, name or number."""
    return any(" " in text for text in texts)


def _record(number: int, titles: Sequence[str], row: Sequence[str], beside: int) -> RenderableType:
    """Return a row with one field per line, and below its name where a word is longer than `beside` characters."""
    head = Text(f"row {number}", style="dim")
    if any(cell_len(word) > beside for text in row for word in text.split()):
        pairs = zip(titles, row, strict=True)
        return Group(
            head, *(part for t, text in pairs for part in (Text(t, style="bold"), _shown(text)))
        )
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for title, text in zip(titles, row, strict=True):
        grid.add_row(Text(title), _shown(text))
    return Group(head, grid)


def _shown(text: str) -> Text:
    return Text(text, style="dim" if text == "NULL" else "")
