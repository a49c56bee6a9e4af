"""What is said beside the rows of a query."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from engine.cli.terminal.output import say
from engine.store import Unseen, rows

_RUN = re.compile(r"'(r\d{4,})'")


def tell_unseen(errors: Console, unseen: Unseen) -> None:
    """Say how many rows of a run queries do not see yet, and when they will; nothing where all are there."""
    if not unseen.rows:
        return
    count = f"{unseen.rows:,} {'row is' if unseen.rows == 1 else 'rows are'} not visible yet"
    if unseen.pid:
        say(errors, f"{count}: the run {unseen.run} (process {unseen.pid}) writes them shortly")
    else:
        say(errors, f"{count}: a run that was killed left them; the next run writes them")


def not_the_latest(state: Path, sql: str) -> str:
    """Return why a query that names a run finds nothing in a view of the latest ones; empty where that is not why."""
    named = list(dict.fromkeys(_RUN.findall(sql)))
    views = (
        rows(state, "SELECT view_name AS name FROM duckdb_views() WHERE NOT internal")
        if named
        else []
    )
    names = {view["name"] for view in views}
    asked = next((word for word in re.findall(r"\w+", sql.lower()) if f"all_{word}" in names), None)
    if asked is None:
        return ""
    known = {row["id"] for row in rows(state, "SELECT id FROM run")}
    latest = {row["run"] for row in rows(state, "FROM last_runs")}
    earlier = next((run for run in named if run in known - latest), None)
    if earlier is None:
        return ""
    return f"{earlier} is not the latest run of its recipe: all_{asked} has every run, {asked} the latest"
