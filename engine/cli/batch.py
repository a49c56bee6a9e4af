"""`pada batch`: import of results, the list of request files, and what a waiting run prints."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.cli.terminal.output import make_console, roomy, say
from engine.cli.terminal.streams import print_records
from engine.run.batches import FileState, Imported, file_states, import_results
from engine.run.execute import Outcome
from engine.spec.repository import state_folder
from engine.store import Store

WAITING = 75
"""Exit code of a run that waits: EX_TEMPFAIL of sysexits.h, "try again later"."""


def again(
    recipe: str,
    assignments: Sequence[str],
    state: Path,
    limit: int | None,
    settings: Sequence[str] = (),
) -> list[str]:
    """Return the command that goes on with a run."""
    command = ["pada", "run", recipe]
    for assignment in assignments:
        command += ["--var", assignment]
    for setting in settings:
        command += ["--set", setting]
    command += _state(state)
    return [*command, "--limit", str(limit)] if limit is not None else command


def _state(state: Path) -> list[str]:
    return [] if state == state_folder() else ["--state", str(state)]


def show_waiting(console: Console, outcome: Outcome, state: Path, command: Sequence[str]) -> None:
    """Print what a run waits for, and the commands that go on."""
    say(console, f"waiting for batch: {outcome.note}", style="bold")
    for batch in outcome.batches:
        when = "written now" if batch.new else "written before, not written again"
        say(console, f"  {batch.file}: {_requests(batch.requests)}, {when}")
    say(console, "next, once they are answered (RESULTS is the file of answers):", style="bold")
    say(console, f"  {shlex.join(['pada', 'batch', 'import', 'RESULTS', *_state(state)])}")
    say(console, f"  {shlex.join(command)}")


def import_command(file: Path, state: Path) -> None:
    """Import the results of a request file into the store, and print a summary."""
    console = make_console()
    store = Store.open(state, create_missing=False, notice=lambda text: say(console, text))
    imported = import_results(store, file)
    say(
        console, f"{file}: {imported.answers:,} answer{'s' * (imported.answers != 1)}", style="bold"
    )
    for text in _counts(imported):
        say(console, f"  {text}")
    for request_file in imported.files:
        say(console, f"  {request_file.file}: {_standing(request_file)}")
    say(console, _next(imported))


def _counts(done: Imported) -> list[str]:
    lines = [f"taken: {done.taken:,}"]
    for kind, count in sorted(done.failed.items()):
        example = " ".join(done.examples[kind].split())[:200]
        lines.append(f"failed, {kind}: {count:,}" + (f" (the first: {example})" if example else ""))
    if done.given_up:
        lines.append(f"given up after the last attempt: {done.given_up:,}")
    if done.known:
        lines.append(f"answered before, or more than once in the file: {done.known:,}")
    return lines


def _standing(state: FileState) -> str:
    total = state.header.requests
    parts = [f"{state.answered:,} of {_requests(total)} answered"]
    parts += [f"{state.failed:,} failed"] if state.failed else []
    parts += [f"{state.missing:,} still missing"] if state.missing else []
    return ", ".join(parts)


def _next(done: Imported) -> str:
    missing = sum(state.missing for state in done.files)
    if missing:
        return (
            f"{_requests(missing)} still without an answer: import the rest when it is there, or run the recipe again "
            "to go on with what can"
        )
    if done.failed.total() > done.given_up:
        return "run the recipe again to go on: what failed is written into the next file"
    return "run the recipe again to go on"


def list_command(state: Path, *, as_json: bool = False) -> None:
    """Print the request files of a store, oldest first, or one JSON object for each."""
    console = make_console()
    request_files = file_states(Store.open(state, create_missing=False))
    if as_json:
        print_records(console.file, map(_record, request_files))
        return
    if not request_files:
        say(console, "no request files")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("run", "model", "asked"):
        table.add_column(title, overflow="fold")
    for title in ("requests", "answered", "failed", "missing"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("file", overflow="fold")
    for request_file in request_files:
        asked = ", ".join(f"{role} {count:,}" for role, count in sorted(request_file.roles.items()))
        numbers = (
            request_file.header.requests,
            request_file.answered,
            request_file.failed,
            request_file.missing,
        )
        table.add_row(
            request_file.header.run,
            request_file.header.model,
            asked,
            *(f"{n:,}" for n in numbers),
            str(request_file.file),
        )
    roomy(console, 250).print(table)


def _record(one: FileState) -> dict[str, Any]:
    return {
        "file": str(one.file),
        "run": one.header.run,
        "model": one.header.model,
        "roles": dict(one.roles),
        "requests": one.header.requests,
        "answered": one.answered,
        "failed": one.failed,
        "missing": one.missing,
    }


def _requests(count: int) -> str:
    return f"{count:,} request{'s' * (count != 1)}"
