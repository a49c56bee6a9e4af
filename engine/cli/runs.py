"""`pada runs`: the runs in the store, one line each."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from engine.cli.clean import readable
from engine.cli.sql import tell_unseen
from engine.cli.terminal.output import make_console, roomy
from engine.cli.terminal.streams import print_records
from engine.cli.terminal.tables import fitted
from engine.report.formatting import round_label
from engine.report.runs import RunLine, list_runs
from engine.store import unseen


def _best(run: RunLine) -> str:
    if run.best is None:
        return ""
    chosen = ", ".join(map(round_label, run.rounds))
    return f"{run.metric} {run.best:.3f}{f' ({chosen})' if chosen else ''}"


def runs_command(
    state: Path,
    console: Console | None = None,
    errors: Console | None = None,
    *,
    as_json: bool = False,
) -> None:
    """Print the runs of a store, or one JSON object for each; raises StoreError.

    A note about rows not visible yet goes to `errors`.
    """
    console, errors = console or make_console(), errors or make_console(stderr=True)
    runs = list_runs(state)
    tell_unseen(errors, unseen(state))
    if as_json:
        print_records(console.file, map(asdict, runs))
        return
    if not runs:
        console.print("no runs yet", highlight=False)
        return
    titles = ("run", "recipe", "status", "started (UTC)", "minutes", "done", "cached", "calls", "best on validation",
              "adapters")  # fmt: skip
    lines = [
        (
            run.id,
            run.recipe,
            run.status,
            f"{run.started:%Y-%m-%d %H:%M}",
            "" if run.minutes is None else f"{run.minutes:.1f}",
            str(run.done),
            str(run.cached),
            f"{run.calls:,}",
            _best(run),
            readable(run.size) if run.size else "",
        )
        for run in runs
    ]
    console = roomy(console, 200)
    right = [at >= titles.index("minutes") for at in range(len(titles))]
    console.print(fitted(console, titles, lines, right, cut=[False] * len(titles)))
