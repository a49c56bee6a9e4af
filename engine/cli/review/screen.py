"""One row on a terminal of any width: its texts made harmless, cut where they are long, and what is known of it."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.review import Item, about
from engine.system.plain_text import clean

WIDEST = 100
"""Characters of a line at most: longer ones are hard to read."""
LONGEST = 700
"""Characters of a text that are shown at first."""
LINES = 10
"""Lines of a text that are shown at first."""


class Shown(NamedTuple):
    """A row as it is shown."""

    body: RenderableType
    is_cut: bool
    """Whether more of it can be shown."""


def cut(text: str, whole: bool) -> tuple[str, bool]:
    """Return the beginning of a clean text, and whether something is left out."""
    lines = text.split("\n")
    if whole or (len(text) <= LONGEST and len(lines) <= LINES):
        return text, False
    short = "\n".join(lines[:LINES])[:LONGEST].rstrip()
    return f"{short} … ({len(text) - len(short):,} more characters: m shows all)", True


def screen(item: Item, whole: bool = False) -> Shown:
    """Return a row with all that is known of it; `whole`: long texts too."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=False)
    grid.add_column(no_wrap=False, overflow="fold", max_width=16, style="bold")
    grid.add_column(overflow="fold")
    is_cut = False

    def add(name: str, text: str, style: str = "") -> None:
        nonlocal is_cut
        shown, shortened = cut(clean(text), whole)
        is_cut = is_cut or shortened
        grid.add_row(Text(clean(name)), Text(shown, style=style))

    for column, text in item.inputs.items():
        add(column, text)
    add("target", item.target, "bold green")
    for name, text in about(item):
        add(name, text, "dim" if name == "seed row" else "")
    return Shown(Group(Rule(style="dim"), grid), is_cut)
