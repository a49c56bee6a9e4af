"""`pada review` behind its arguments: which recipe, which rows; they are shown, listed or exchanged by file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from engine.cli.recipes import overrides, values_of
from engine.cli.review.ended import told
from engine.cli.review.keys import Keys, LineKeys, TerminalKeys
from engine.cli.review.screen import WIDEST
from engine.cli.review.session import Session
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.streams import print_records
from engine.errors import EngineError
from engine.project import Project
from engine.review import Desk, Item, Queue, parse_queue, ran, read_reviews, write_items
from engine.store import reader


class Asked(NamedTuple):
    """What is looked at, by whom."""

    queue: str | None
    rows: int
    pattern: str | None
    reviewer: str | None
    resolve: bool
    plain: bool


def review_command(
    recipe: str | None,
    assignments: Sequence[str],
    state: Path,
    limit: int | None,
    asked: Asked,
    export: Path | None = None,
    taken: Path | None = None,
    settings: Sequence[str] = (),
    *,
    as_json: bool = False,
) -> None:
    """Show rows to a reviewer, list them, write them to a file, or take a file's verdicts.

    Args:
        recipe: File, folder or name; that of the store's last run when left out.
        assignments: `name=value` for its vars.
        state: Folder of the store.
        limit: As the run had it.
        asked: What is looked at, by whom.
        export: File to write.
        taken: File to take.
        settings: `key=value` over the recipe's own.
        as_json: List the rows as JSON.

    Raises:
        EngineError: there is no run or no such queue, a file is wrong, or the store is held open.
    """
    if sum((export is not None, taken is not None, as_json)) > 1:
        raise EngineError("--export, --import and --json are three things", "choose one")
    project = Project.open(
        recipe or _last_recipe(state), state, overrides(assignments), limit, values_of(settings)
    )
    queue = parse_queue(asked.queue or ("conflicts" if asked.resolve else "candidates"))
    desk = project.review(asked.reviewer, resolves=asked.resolve)
    target = project.loaded.recipe.task.target
    console = make_console()
    console.width = min(console.width, WIDEST)
    if taken is not None:
        _take(console, project, desk, queue, taken, target)
        return
    items, total = desk.items(queue, asked.rows, asked.pattern)
    if as_json:
        print_records(sys.stdout, map(asdict, items))
        return
    if not items:
        say(console, _nothing(desk, queue))
        return
    if export is not None:
        write_items(export, items, target)
        say(console, f"{_rows(len(items))} of {total:,} that wait written to {export}")
        say(
            console,
            f"fill it in, then: pada review {recipe or ''} --import {export}".replace("  ", " "),
        )
        return
    _sit(console, project, desk, queue, items, total, plain=asked.plain)


def _last_recipe(state: Path) -> str:
    with reader(state) as query:
        found = ran(query)
    if not found:
        raise EngineError("this store has no run yet", "`pada run RECIPE` first")
    last = found[0]
    if not Path(last.path).exists():
        raise EngineError(
            f"the last run's recipe '{last.name}' is not at {last.path} any more",
            "say where it is: pada review RECIPE",
        )
    return last.path


def _sit(
    console: Console, project: Project, desk: Desk, queue: Queue, items: list[Item], total: int, *, plain: bool
) -> None:  # fmt: skip
    is_terminal = sys.stdin.isatty() and not plain
    keys: Keys = TerminalKeys() if is_terminal else LineKeys()
    of = f" of {total:,} that wait" if total > len(items) else ""
    say(console, f"{desk.place.recipe}, run {desk.place.run}: {_rows(len(items))}{of} in {queue}")
    if desk.is_new and desk.reviewers:
        known = ", ".join(desk.reviewers)
        say(console, f"{desk.reviewer} is new here; known: {known} (--reviewer NAME)")
    if not is_terminal:
        say(
            console,
            "a command per line: accept, reject, edit, relabel, skip, undo, note, more, help, quit",
        )
    session = Session(desk, queue, list(items), keys, console)
    session.run()
    told(console, project, desk, session.said, session.skipped)


def _take(
    console: Console, project: Project, desk: Desk, queue: Queue, file: Path, target: str
) -> None:
    reviews = read_reviews(file, desk, queue, target)
    desk.record_all(reviews)
    told(console, project, desk, reviews, 0)


def _nothing(desk: Desk, queue: Queue) -> str:
    """Say why nobody has to look at anything."""
    why = {
        "candidates": "no generated or mined row waits for you",
        "suspect": "no label of the data is taken for wrong that you have not looked at",
        "disagreement": "gates, blind answers and judge agree on every row that you have not looked at",
        "pool": "no row of a pool whose label a model gave waits for you",
        "conflicts": "no row waits on which reviewers differ",
    }[queue]
    return f"run {desk.place.run} of {desk.place.recipe}, {desk.reviewer}: {why}"


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"
