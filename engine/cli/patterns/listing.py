"""`pada patterns`, `pada patterns show` and `pada patterns export`: the patterns of a run, all, one, or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from engine.cli.sql import tell_unseen
from engine.cli.terminal.output import make_console, roomy, say
from engine.cli.terminal.streams import print_records
from engine.errors import EngineError
from engine.report.console import rich_table
from engine.report.dossier import Dossier, Tally
from engine.report.facts.dossiers import (
    collect_dossiers,
    collect_tallies,
    find_pattern,
)
from engine.report.files import write_files
from engine.report.formatting import round_label
from engine.report.pattern_files import patterns_csv, patterns_markdown, said
from engine.report.records import Query
from engine.report.suggestions import said_state
from engine.report.tables import Table
from engine.report.tables.dossier import (
    BLOCKS,
    life_table,
    member_table,
    price_table,
    tally_table,
    tested_sentence,
    written_sentence,
    written_table,
)
from engine.store import choose_run, reader, unseen
from engine.system.plain_text import clean

NARROW = 110
"""Characters of a line from which the table has all its columns."""
WIDE = 160
"""Characters of a line in files and pipes, which have no width to keep to."""


class Where(NamedTuple):
    """Which run is looked at: one by its id, the last of a recipe, or the last of all."""

    state: Path
    run: str | None
    recipe: str | None


def list_patterns(
    where: Where,
    console: Console | None = None,
    errors: Console | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Print the patterns of a run with a bar of the failures that each has left, or as one JSON object each.

    Raises:
        EngineError: there is no store, or no such run.
    """
    console = _wide(console or make_console())
    tell_unseen(errors or make_console(stderr=True), unseen(where.state))
    with reader(where.state) as query:
        run, recipe = _chosen(query, where)
        tallies = collect_tallies(query, run)
    if as_json:
        print_records(console.file, (_record(run, recipe, one) for one in tallies))
        return
    say(console, f"{recipe} · run {run}")
    if not tallies:
        say(console, "no failure patterns in this run")
        return
    blocks = BLOCKS if console.encoding.startswith("utf") else ("#", "-")
    wide = console.width >= NARROW
    _print(console, tally_table(tallies, 16 if wide else 8, wide=wide, blocks=blocks))
    command = f"pada patterns show {tallies[0].facts.id} --run {run}{said_state(str(where.state))}"
    say(console, f"`{command}` shows one whole.")


def _record(run: str, recipe: str, one: Tally) -> dict[str, Any]:
    facts = one.facts
    return {
        "run": run,
        "recipe": recipe,
        "seed": facts.seed,
        "id": facts.id,
        "name": facts.name,
        "description": facts.description,
        "category": facts.category,
        "found": facts.found,
        "status": facts.status,
        "failures": facts.before,
        "failing": facts.after,
        "generated": facts.generated,
        "accepted": facts.accepted,
        "selected": facts.selected,
        "tokens": one.price.tokens,
        "cost": one.price.cost,
    }


def show_pattern(where: Where, word: str, sample: int, console: Console | None = None) -> None:
    """Print all that is known of one pattern, of each seed that has it.

    Args:
        where: The run.
        word: Its id, the beginning of it, or its name.
        sample: Most members, and most rows of each outcome.
        console: Where to print.

    Raises:
        EngineError: there is no such run or pattern.
    """
    console = _wide(console or make_console())
    with reader(where.state) as query:
        run, recipe = _chosen(query, where)
        dossiers = collect_dossiers(query, run, sample, find_pattern(query, run, word))
    for one in dossiers:
        _whole(console, one, f"{recipe} · run {run}")


def export_patterns(
    where: Where,
    out: Path | None,
    sample: int,
    *,
    as_csv: bool,
    raw: bool = False,
    console: Console | None = None,
) -> None:
    """Print the patterns of a run as Markdown or CSV, or write them to a file that is there whole or not at all.

    Args:
        where: The run.
        out: The file, `.md` or `.csv`; the standard output when left out.
        sample: Most members, and most rows of each outcome, of one pattern.
        as_csv: CSV; a file that ends so is CSV too.
        raw: Leave the texts of CSV as they are.
        console: Where to print.

    Raises:
        EngineError: there is no such run, the file's name says neither, or it cannot be written.
    """
    console = console or make_console()
    if out is not None and out.suffix not in {".md", ".csv"}:
        raise EngineError(
            f"--out {out}: patterns are written as Markdown or CSV",
            f"name it {out.with_suffix('.md').name} or {out.with_suffix('.csv').name}",
        )
    if out is not None and as_csv and out.suffix != ".csv":
        raise EngineError(f"--out {out}: not the name of a CSV file", "leave out --csv")
    with reader(where.state) as query:
        run, recipe = _chosen(query, where)
        dossiers = collect_dossiers(query, run, sample)
    csv = as_csv or (out is not None and out.suffix == ".csv")
    if raw and not csv:
        raise EngineError("--raw is for CSV", "leave it out, or add --csv")
    text = patterns_csv(run, dossiers, raw=raw) if csv else patterns_markdown(recipe, run, dossiers)
    if out is None:
        console.file.write(text if csv else clean(text))
        return
    write_files("list of patterns", {out: text}, where.state)
    say(console, f"{said(dossiers)} of run {run} written to {out}")


def _chosen(query: Query, where: Where) -> tuple[str, str]:
    if where.run is not None and where.recipe is not None:
        raise EngineError("--run and --recipe exclude each other", "choose one")
    return choose_run(query, where.run, where.recipe)


def _whole(console: Console, one: Dossier, run: str) -> None:
    facts = one.facts
    console.print(Text(clean(facts.name), style="bold"))
    place = [
        run,
        f"seed {facts.seed}",
        facts.id,
        f"found in {round_label(facts.found)}",
        facts.status,
    ]
    if facts.category:
        place.append(f"category {facts.category}")
    if facts.first_seen:
        place.append(f"first seen on {facts.first_seen.words}")
    console.print(Text(clean(" · ".join(place)), style="dim"))
    console.print(Text(clean(facts.description)))
    for title, texts in (("Falls under it:", one.includes), ("Does not:", one.excludes)):
        for text in (title, *(f"  - {text}" for text in texts)) if texts else ():
            console.print(Text(clean(text)))
    if tested := tested_sentence(one):
        console.print(Text(clean(f"Real? {tested}.")))
    for text in facts.strategies:
        console.print(Text(clean(f"\nStrategy: {text}")))
    for table in (life_table(one), member_table(one)):
        _print(console, table)
    console.print(Text(clean(f"\n{written_sentence(one)}.")))
    for table in (written_table(one), price_table(one)):
        _print(console, table)


def _print(console: Console, table: Table) -> None:
    if table.rows:
        console.print()
        console.print(rich_table(table))
        if table.note:
            console.print(Text(table.note, style="dim"))


def _wide(console: Console) -> Console:
    return roomy(console, WIDE)
