"""`pada rerun`: a run made again, from the store or from a bundle."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from engine.cli.batch import WAITING, show_waiting
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.progress import ConsoleReporter
from engine.errors import EngineError
from engine.report.console import summary
from engine.system.signals import ends_as_interrupts
from engine.versions.bundles import Opened, open_bundle, replay, run_replayed
from engine.versions.repeating import again
from engine.versions.stored import stored_run

_MOST = 8


def rerun_command(run: str, to: Path | None, state: Path, quiet: bool) -> None:
    """Make a run again, or say what is missing."""
    console = make_console()
    if run.endswith((".tar.gz", ".tgz")):
        if to is None:
            raise EngineError(
                f"{run} is a bundle, and it is not said where to",
                f"write: pada rerun {run} --to FOLDER",
            )
        _rerun_bundle(console, open_bundle(Path(run), to), quiet)
        return
    if to is not None:
        raise EngineError(
            "--to is for bundles: a run is made again in its own state folder", "leave it out"
        )
    found = stored_run(state, run)
    with again(found, state) as repeated:
        for warning in repeated.warnings:
            say(console, f"warning: {warning}", style="yellow")
        if not repeated.left:
            say(
                console,
                f"nothing left to do: run {found.id} is as it was, all {repeated.nodes} steps are in the store",
            )
            return
        say(console, f"{repeated.left} steps are done anew")
        with ends_as_interrupts(), ConsoleReporter(console, quiet).shown() as reporter:
            outcome = repeated.project.run(reporter=reporter)
        report = repeated.project.report(outcome.run)
        console.print(summary(report.facts, report.html))
        if outcome.status == "waiting":
            show_waiting(console, outcome, state, ["pada", "rerun", run])
            raise typer.Exit(WAITING)


def _rerun_bundle(console: Console, opened: Opened, quiet: bool) -> None:
    manifest = opened.manifest
    where = "unpacked into" if opened.new else "goes on in"
    say(
        console,
        f"run {manifest.run} of the recipe {manifest.name}, {where} {opened.folder}",
        style="bold",
    )
    with replay(opened) as (project, warnings):
        for warning in warnings:
            say(console, f"warning: {warning}", style="yellow")
        with ends_as_interrupts(), ConsoleReporter(console, quiet).shown() as reporter:
            done = run_replayed(project, manifest, reporter)
        report = project.report(done.outcome.run)
        console.print(summary(report.facts, report.html))
    total = done.same + len(done.others)
    if not done.others:
        say(
            console,
            f"the same: all {total} steps have the rows of run {manifest.run}, and all scores are equal",
        )
        return
    say(console, f"{done.same} of {total} steps have the rows of run {manifest.run}; others: "
        f"{', '.join(done.others[:_MOST])}{' …' if len(done.others) > _MOST else ''}", style="yellow")  # fmt: skip
    for line in done.scores[:_MOST]:
        say(console, f"  {line}")
    if not done.scores:
        say(console, "all scores are equal")
