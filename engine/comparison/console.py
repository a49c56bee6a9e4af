"""A comparison in the terminal: two narrow tables, one sentence per arm, what to know, and where the files are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.comparison.results import Comparison
from engine.comparison.sentences import headline, reading, runs, sentences
from engine.comparison.tables import curve_table, score_table, spend_table
from engine.report.console import STYLES, rich_table
from engine.system.plain_text import clean

if TYPE_CHECKING:
    from rich.console import Group, RenderableType


def summary(comparison: Comparison, page: Path | None = None) -> Group:
    """Return what a comparison ends with; `page` is the path of its HTML page, if it was written."""
    from rich.console import Group
    from rich.text import Text

    said = headline(comparison)
    parts: list[RenderableType] = [
        Text(clean(said.text), style=STYLES[said.tone]),
        rich_table(score_table(comparison)),
        rich_table(spend_table(comparison)),
    ]
    if (curve := curve_table(comparison)) is not None:
        parts.append(rich_table(curve))
    parts += [Text(clean(one.text), style=STYLES[one.tone]) for one in sentences(comparison)]
    parts += [Text(clean(f"Mind: {note}.")) for note in comparison.notes]
    parts += [
        Text(clean(f"Not finished: {name}: {why}."), style="bold yellow")
        for name, why in comparison.unfinished.items()
    ]
    parts.append(Text(clean(reading(comparison)), style="dim"))
    parts.append(Text(clean(runs(comparison))))
    if page is not None:
        parts.append(Text(f"Comparison: {clean(str(page))}", style="bold"))
    return Group(*parts)
