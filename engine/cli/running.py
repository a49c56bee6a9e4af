"""`pada run`, `preview`, `report` and `models`: everything that loads a model or shows a run."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from engine import gate, models
from engine.cli.batch import WAITING, again, show_waiting
from engine.cli.export.written import best_model
from engine.cli.recipes import checked
from engine.cli.terminal.consent import ask_for_keys
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.progress import ConsoleReporter
from engine.cli.terminal.streams import echo, print_records
from engine.errors import EngineError, Interrupted
from engine.report.console import summary
from engine.report.facts import collect
from engine.report.files import ReportFiles, write_report
from engine.run.batches import refuse_waiting
from engine.run.execute import Outcome
from engine.store import FILE, reader
from engine.store import rows as stored
from engine.system.signals import ends_as_interrupts
from engine.turns.calls import name_of

_PREVIEW = "preview only: few rows, few steps, one round at most"
_LINES = 3
"""Of each text of a row, as a preview shows it."""


def run_recipe(
    recipe: str,
    assignments: Sequence[str],
    state: Path,
    limit: int | None,
    quiet: bool,
    settings: Sequence[str] = (),
) -> None:
    """Run a recipe, write its report, print the summary."""
    console = make_console()
    table = None if quiet else console
    project = checked(recipe, assignments, state, limit, table, settings, to_run=True)
    ask_for_keys(project.loaded, project.keys)
    with ends_as_interrupts(), ConsoleReporter(console, quiet).shown() as reporter:
        outcome = project.run(reporter=reporter)
    best = best_model(recipe, assignments, state, outcome.run, settings)
    _finish(console, outcome, project.report(outcome.run), best)
    if outcome.status == "waiting":
        show_waiting(console, outcome, state, again(recipe, assignments, state, limit, settings))
        raise typer.Exit(WAITING)


def preview_recipe(
    recipe: str,
    assignments: Sequence[str],
    rows: int,
    steps: int,
    settings: Sequence[str] = (),
    keep: Path | None = None,
) -> None:
    """Run a few rows and steps through the real pipeline, and show the rows made.

    Args:
        recipe: File, folder or name.
        assignments: `name=value` for its vars.
        rows: Rows of each split.
        steps: Optimizer steps of each fine-tune.
        settings: `key=value` over the recipe's own.
        keep: A state folder in which all of it stays; in a temporary one when left out.

    Raises:
        EngineError: the recipe has an error, its replies come later, or the folder holds a store already.
        Interrupted: it was stopped.
    """
    console = make_console()
    project = checked(recipe, assignments, settings=settings)
    refuse_waiting(project.loaded)
    ask_for_keys(project.loaded, project.keys)
    kept = "nothing is kept" if keep is None else f"all of it is kept in {keep}"
    say(console, f"{_PREVIEW}; {kept}", style="bold")
    with ends_as_interrupts(), _room(keep) as state:
        small = project.small(rows, steps, state)
        try:
            with ConsoleReporter(console).shown() as reporter:
                outcome = small.run(reporter=reporter)
            with reader(state) as query:
                console.print(summary(collect(query, outcome.run, state=None)))
            _show_rows(console, state)
        except (Interrupted, KeyboardInterrupt):
            raise Interrupted(
                f"stopped; {'nothing of a preview is kept' if keep is None else 'what was finished is kept'}",
                "the same command begins anew; `pada run` keeps what is finished, and goes on from there",
            ) from None
    if outcome.notes:
        console.print("; ".join(outcome.notes), highlight=False)
    say(console, f"preview only: these scores say nothing of a whole run; {kept}", style="bold")


@contextmanager
def _room(keep: Path | None) -> Iterator[Path]:
    """Give the state folder of a preview: one that stays, in which no store is yet, or one that is removed again."""
    if keep is not None:
        if (keep / FILE).exists():
            raise EngineError(
                f"{keep} holds a store already, which a preview would add to",
                "name another folder with --keep",
            )
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="pada-preview-") as folder:
        try:
            yield Path(folder)
        finally:
            gate.disown(Path(folder))


def _show_rows(console: Console, state: Path) -> None:
    sql = (
        "SELECT c.operator, c.target, c.inputs::VARCHAR AS inputs, v.reason FROM candidate c "
        "JOIN verdict v ON v.candidate = c.id ORDER BY v.accepted DESC, c.id LIMIT 8"
    )
    for row in stored(state, sql):
        width = console.width - 1
        target = " ".join(row["target"].split())
        lines = [f"  {row['reason']:<12} {row['operator']:<15} {target}"]
        for column, text in json.loads(row["inputs"]).items():
            told = [_with_tool_names(line) for line in str(text).splitlines() if line.strip()]
            more = ["…"] if len(told) > _LINES else []
            first, *others = [*told[:_LINES], *more] or [""]
            lines += [f"    {column}: {first}", *(f"      {line}" for line in others)]
        for line in lines:
            shown = line if len(line) <= width else f"{line[: width - 1]}…"
            console.print(shown, highlight=False, markup=False, soft_wrap=True)


def _with_tool_names(line: str) -> str:
    """Return a line of a transcript, definitions of tools as their names."""
    kind, _, defined = line.partition(" ")
    if kind != "[tools]":
        return line
    try:
        names = [name_of(tool) for tool in json.loads(defined)]
    except (ValueError, TypeError, KeyError):
        return line
    return f"[tools] {', '.join(names)}"


def _finish(console: Console, outcome: Outcome, report: ReportFiles, best: Sequence[str]) -> None:
    console.print(summary(report.facts, report.html))
    for line in best:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for note in outcome.notes:
        console.print(note, highlight=False, markup=False)
    computed = (
        f"{outcome.computed} nodes computed, {outcome.cached} reused, {outcome.skipped} skipped"
    )
    console.print(computed, highlight=False)
    if outcome.status == "stopped":
        console.print(
            f"stopped: {outcome.note}; raise the budget and run again to go on", style="bold"
        )


def report_command(run: str | None, state: Path, out: Path | None) -> None:
    """Write the report of a run, and say where."""
    html, markdown, _ = write_report(state, run, out)
    echo(f"{html}\n{markdown}")


def fetch_models(names: Sequence[str]) -> None:
    """Fetch models into the cache."""
    for name in names or models.known():
        echo(f"{name}: {models.fetch(name, say=echo)}")


def list_models(*, as_json: bool = False) -> None:
    """Print the embedded models and where they are stored, or one JSON object for each."""
    if as_json:
        places = ((name, models.locate(name)) for name in models.known())
        found = ({"name": name, "path": str(path) if path else None} for name, path in places)
        print_records(sys.stdout, found)
        return
    for name in models.known():
        echo(f"{name:<36} {models.locate(name) or 'not fetched'}")
