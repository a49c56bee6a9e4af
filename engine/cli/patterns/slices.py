"""`pada patterns slices`: parts of the validation rows that fail more often than the rest, with their SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.cli.recipes import overrides
from engine.errors import EngineError
from engine.project import FoundSlices, Project
from engine.report.console import clean
from engine.report.formatting import round_name
from engine.slicing import Slice, as_category
from engine.spec.yaml_writing import listed


class Wanted(NamedTuple):
    """What is searched, and how strictly."""

    round: int | None
    seed: int | None
    min_size: int
    level: float
    conditions: int


def show_slices(
    recipe: str,
    assignments: Sequence[str],
    state: Path,
    limit: int | None,
    wanted: Wanted,
    *,
    as_yaml: bool = False,
    as_json: bool = False,
    console: Console | None = None,
) -> None:
    """Print the slices of a round, as a table with the SQL of each, as categories, or as JSON.

    Args:
        recipe: File, folder or name.
        assignments: `name=value` for its vars.
        state: Folder of the store.
        limit: At most so many rows of each split, as in the run.
        wanted: What is searched.
        as_yaml: Categories for a taxonomy.
        as_json: One object per line.
        console: Where to print.

    Raises:
        EngineError: the recipe has an error, or the round is not scored.
    """
    console = console or Console()
    if as_yaml and as_json:
        raise EngineError("--yaml and --json exclude each other", "choose one")
    project = Project.open(recipe, state, overrides(assignments), limit)
    project.validate()
    found = project.slices(
        round=wanted.round,
        seed=wanted.seed,
        min_size=wanted.min_size,
        level=wanted.level,
        conditions=wanted.conditions,
    )
    if as_json:
        for one in found.search.slices:
            _say(console, json.dumps(_record(one), ensure_ascii=False))
    elif as_yaml:
        _say(console, listed([as_category(one) for one in found.search.slices]))
    else:
        _table(console, found, wanted)


def _table(console: Console, found: FoundSlices, wanted: Wanted) -> None:
    for line in _heading(found):
        _say(console, line)
    if not found.search.slices:
        _say(console, f"none fails more often than the rest beyond chance (level {wanted.level:g})")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("slice", no_wrap=True)
    for title in ("rows", "failures", "rate", "above the rest", "p, adjusted"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found.search.slices:
        value, low, high = (100 * end for end in one.difference)
        table.add_row(
            Text(clean(one.id)),
            f"{one.size:,}",
            f"{one.failures:,}",
            f"{100 * one.rate:.0f} %",
            f"{value:+.0f} ({low:+.0f} to {high:+.0f})",
            f"{one.p:.1e}" if one.p < 0.001 else f"{one.p:.3f}",
        )
    wide = console if console.is_terminal else Console(file=console.file, width=160)
    wide.print(table)
    for one in found.search.slices:
        _say(console, f"\n{one.id}: {one.description}\n  {one.sql}")
        if one.alike:
            _say(console, f"  nearly the same rows: {one.alike[0]}{_more(len(one.alike) - 1)}")
    _say(
        console,
        "\nRates are of the rows that the slices were picked by: on new rows they are nearer to the rest."
        "\n--yaml prints them as categories of a taxonomy.",
    )


def _heading(found: FoundSlices) -> Iterator[str]:
    rows, search = found.rows, found.search
    share = f", {search.failures / search.rows:.0%}" if search.rows else ""
    failing = f"{search.failures:,} of {search.rows:,} validation rows fail{share}"
    where = f"{round_name(rows.round)}, seed {rows.seed}"
    yield f"{where}: {failing}; {search.tried:,} conditions tried"
    if rows.apart:
        yield f"{rows.apart:,} more rows, which choose among students, are not looked at"
    if search.folded:
        yield f"{search.folded:,} more are beyond chance, and hold the rows of these or fail because of them"


def _more(count: int) -> str:
    return f" and {count} more" if count else ""


def _record(one: Slice) -> Mapping[str, Any]:
    return {
        "id": one.id,
        "description": one.description,
        "sql": one.sql,
        "rows": one.size,
        "failures": one.failures,
        "rate": one.rate,
        "difference": one.difference.value,
        "low": one.difference.low,
        "high": one.difference.high,
        "p": one.p,
        "alike": list(one.alike),
    }


def _say(console: Console, text: str) -> None:
    console.print(clean(text), highlight=False, markup=False, soft_wrap=True)
