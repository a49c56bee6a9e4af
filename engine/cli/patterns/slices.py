"""`pada patterns slices`: parts of the validation rows, and of a log, that fail more often than the rest, with SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.cli.recipes import overrides, values_of
from engine.cli.terminal.output import make_console, roomy, say
from engine.cli.terminal.streams import for_programs, print_records, write
from engine.errors import EngineError
from engine.fingerprint import short
from engine.project import FoundSlices, Project
from engine.report.formatting import round_name
from engine.slicing import Search, Slice, as_category
from engine.slicing.log import Drift
from engine.slicing.validation import NotScored
from engine.spec.yaml_writing import listed
from engine.store import rows
from engine.system.plain_text import clean


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
    settings: Sequence[str] = (),
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
        settings: `key=value` over the recipe's own.
        as_yaml: Categories for a taxonomy.
        as_json: One object per line.
        console: Where to print.

    Raises:
        EngineError: the recipe has an error, or the round is not scored.
    """
    console = console or make_console()
    if as_yaml and as_json:
        raise EngineError("--yaml and --json exclude each other", "choose one")
    project = Project.open(recipe, state, overrides(assignments), limit, values_of(settings))
    project.validate()
    try:
        found = project.slices(
            round=wanted.round,
            seed=wanted.seed,
            min_size=wanted.min_size,
            level=wanted.level,
            conditions=wanted.conditions,
        )
    except NotScored as error:
        raise _with_limit(project, error) from None
    if as_json:
        print_records(console.file, _records(found))
    elif as_yaml:
        write(for_programs(console.file), listed([as_category(one) for one in found.search.slices]))
    else:
        for line in _heading(found):
            say(console, line)
        _table(console, found.search, "fails more often than the rest", wanted)
        if found.search.slices:
            say(console, "--yaml prints them as categories of a taxonomy.")
        if found.drift is not None:
            _drift(console, found.drift, wanted)


_SCORED = """
SELECT u.row_limit FROM run u WHERE u.recipe = ? AND u.row_limit IS DISTINCT FROM ?
  AND EXISTS (FROM all_run_rows r WHERE r.run = u.id AND r.stage = 'score')
ORDER BY u.id DESC LIMIT 1
"""


def _with_limit(project: Project, error: NotScored) -> EngineError:
    """Return the error with the limit that a run of this recipe had, where there is one that was limited otherwise."""
    found = rows(project.state, _SCORED, [short(project.loaded.effective), project.limit])
    if not found:
        return error
    limit = found[0]["row_limit"]
    how = "without --limit" if limit is None else f"with `--limit {limit}`"
    return EngineError(error.message, f"a run of this recipe {how} is there: say the same here")


def _drift(console: Console, drift: Drift, wanted: Wanted) -> None:
    """Print what the log shows: what of it fails more often, and when which pattern grew."""
    search = drift.search
    rejected = f"; {drift.unanswered:,} more were rejected, and nobody knows what is right: no rate"
    share = f", {search.failures / search.rows:.0%}" if search.rows else ""
    say(
        console,
        f"\nthe log: {search.failures:,} of {search.rows:,} rows with a right answer fail{share}; {_tried(search)}"
        f"{rejected if drift.unanswered else ''}",
    )
    if drift.odd_times:
        say(console, drift.odd_times)
    _table(console, search, "fails more often than the rest", wanted)
    if not drift.patterns:
        say(
            console,
            f"\nno pattern is looked at: none has {wanted.min_size} failures of the log while other patterns have "
            f"{wanted.min_size} too (--min-size)",
        )
        return
    if not drift.grown:
        say(
            console,
            f"\nnone of {drift.patterns} patterns has a larger share of the failures at some time",
        )
    for pattern, name, grew in drift.grown:
        say(
            console,
            f"\npattern {pattern} '{name}': {grew.failures:,} of {grew.rows:,} diagnosed failures of the log; its "
            "share is larger here than elsewhere:",
        )
        _table(console, grew, "has a larger share", wanted)


def _table(console: Console, search: Search, what: str, wanted: Wanted) -> None:
    if not search.slices:
        say(console, f"none {what} beyond chance (level {wanted.level:g})")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("slice", no_wrap=True)
    for title in ("rows", "failures", "rate", "above the rest", "p, adjusted"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in search.slices:
        value, low, high = (100 * end for end in one.difference)
        table.add_row(
            Text(clean(one.id)),
            f"{one.size:,}",
            f"{one.failures:,}",
            f"{100 * one.rate:.0f} %",
            f"{value:+.0f} ({low:+.0f} to {high:+.0f})",
            f"{one.p:.1e}" if one.p < 0.001 else f"{one.p:.3f}",
        )
    roomy(console, 160).print(table)
    for one in search.slices:
        say(console, f"\n{one.id}: {one.description}\n  {one.sql}")
        if one.alike:
            say(console, f"  nearly the same rows: {one.alike[0]}{_more(len(one.alike) - 1)}")
    say(
        console,
        "\nRates are of the rows that the slices were picked by: on new rows they are nearer to the rest.",
    )


def _heading(found: FoundSlices) -> Iterator[str]:
    rows, search = found.rows, found.search
    share = f", {search.failures / search.rows:.0%}" if search.rows else ""
    failing = f"{search.failures:,} of {search.rows:,} validation rows fail{share}"
    where = f"{round_name(rows.round)}, seed {rows.seed}"
    yield f"{where}: {failing}; {_tried(search)}"
    if rows.apart:
        yield f"{rows.apart:,} more rows, which choose among students, are not looked at"
    if search.folded:
        yield f"{search.folded:,} more are beyond chance, and hold the rows of these or fail because of them"


def _tried(search: Search) -> str:
    return f"{search.tried:,} {'condition' if search.tried == 1 else 'conditions'} tried"


def _more(count: int) -> str:
    return f" and {count} more" if count else ""


def _records(found: FoundSlices) -> Iterator[Mapping[str, Any]]:
    yield from (_record(one, "validation", None) for one in found.search.slices)
    if found.drift is not None:
        yield from (_record(one, "logged", None) for one in found.drift.search.slices)
        for pattern, _, grew in found.drift.grown:
            yield from (_record(one, "logged", pattern) for one in grew.slices)


def _record(one: Slice, split: str, pattern: str | None) -> Mapping[str, Any]:
    """Return a slice as JSON has it; with a pattern, `failures` are the failures of it among all diagnosed ones."""
    return {
        "split": split,
        "pattern": pattern,
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
