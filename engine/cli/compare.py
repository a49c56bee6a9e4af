"""`pada compare`: runs the arms of a comparison and shows how they stand."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from engine.bounds import LARGEST
from engine.cli.batch import WAITING, show_waiting
from engine.cli.terminal.consent import ask_for_keys
from engine.cli.terminal.logged import log_problems
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.progress import ConsoleReporter
from engine.cli.terminal.streams import echo
from engine.comparison import Asked, arms_of
from engine.comparison.console import summary
from engine.comparison.files import check_out, write_comparison
from engine.comparison.measured import WhichStudent
from engine.comparison.runs import ArmRun, run_arms
from engine.comparison.whole import gathered, named
from engine.errors import EngineError
from engine.run.execute import Outcome
from engine.system.signals import ends_as_interrupts


def numbers(text: str | None, option: str) -> list[int]:
    """Return `0,1,2` as numbers; raises EngineError for anything else."""
    if text is None:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise EngineError(f"{option} {text}: not a list of whole numbers", f"write {option} 0,1,2")
    # Python reads no whole number of thousands of digits.
    if any(len(part) > len(str(LARGEST)) or int(part) > LARGEST for part in parts):
        raise EngineError(
            f"{option} {text[:60]}: a number is larger than {LARGEST}", "take smaller ones"
        )
    found = [int(part) for part in parts]
    if len(found) > len(set(found)):
        raise EngineError(f"{option} {text}: a number is given twice", "leave one out")
    return found


def names(text: str | None) -> list[str]:
    """Return `a,b` as names."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def compare_command(
    asked: Asked,
    student: str,
    out: Path | None,
    *,
    quiet: bool,
) -> None:
    """Run the arms, write the comparison and print it."""
    which = _student(student)
    if out is not None:
        check_out(out)
    console = make_console()
    arms = arms_of(asked)
    warnings = dict.fromkeys(p for arm in arms.arms for p in arm.project.validate())
    log_problems(warnings)
    for warning in dict.fromkeys(map(str, warnings)):
        echo(warning, error=True)
    for arm in arms.arms:
        if arm.project.finished_run is None:
            ask_for_keys(arm.project.loaded, arm.project.keys)
    with ends_as_interrupts(), ConsoleReporter(console, quiet).shown() as reporter:
        ran = list(run_arms(arms.arms, reporter))
    unfinished = [one for one in ran if one.status != "done"]
    if len(unfinished) < len(ran):
        comparison = gathered(arms, ran, which)
        files = write_comparison(comparison, asked.state, out)
        console.print(summary(comparison, files.html))
    for one in unfinished:
        say(console, f"{named(one)}: {one.status}: {one.note}")
    again = ["pada", *sys.argv[1:]]
    waiting = [one for one in unfinished if one.status == "waiting"]
    if waiting:
        show_waiting(console, _together(waiting), asked.state, again)
        raise typer.Exit(WAITING)
    if unfinished:
        say(console, f"raise the budget and go on with: {shlex.join(again)}")


def _student(name: str) -> WhichStudent:
    if name == "last":
        return "last"
    if name == "chosen":
        return "chosen"
    raise EngineError(f"--student {name}: not a choice", "write --student last or --student chosen")


def _together(waiting: Sequence[ArmRun]) -> Outcome:
    """Return all that some arms wait for as what one run would wait for."""
    outcome = Outcome("waiting", "; ".join(one.note for one in waiting), waiting[0].run)
    outcome.batches = [batch for one in waiting for batch in one.batches]
    return outcome
