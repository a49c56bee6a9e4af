"""`pada sql`: one query, or a console where none is given."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console

from engine.cli.sql.console import converse
from engine.cli.sql.output import show
from engine.cli.sql.said import not_the_latest, tell_unseen
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.streams import for_programs
from engine.errors import StoreError
from engine.report.query_files import write_csv, write_json, write_parquet
from engine.store import ask


def sql_command(
    state: Path,
    query: str | None,
    *,
    csv: bool = False,
    raw: bool = False,
    json: bool = False,
    parquet: Path | None = None,
    console: Console | None = None,
    errors: Console | None = None,
) -> None:
    """Run one query and print or write its rows; without a query open a console.

    With `raw` the texts of CSV stay as they are. Notes go to `errors`: rows that are not visible yet, what is waited
    for.

    Raises:
        StoreError: no store, wrong SQL, a statement that would write, or the file is held by another process.
        Exit: with code 2, where a statement of an input that nobody types was wrong.
    """
    console, errors = console or make_console(), errors or make_console(stderr=True)
    if csv + json + (parquet is not None) > 1:
        raise StoreError("--csv, --json and --parquet exclude each other", "choose one")
    if raw and not csv:
        raise StoreError(
            "--raw is for --csv: the other forms keep texts as they are", "leave it out"
        )
    if query is None:
        if csv or json or parquet is not None:
            raise StoreError("there is no query to export", 'write one: pada sql "select …" --csv')
        if code := converse(state, console, errors):
            raise typer.Exit(code)
        return
    count: int | None = None
    with ask(state, query, notice=lambda text: say(errors, text)) as answer:
        tell_unseen(errors, answer.unseen)
        if csv:
            write_csv(answer, for_programs(console.file), raw=raw)
        elif json:
            write_json(answer, for_programs(console.file))
        elif parquet is not None:
            wrote = write_parquet(answer, parquet)
            say(errors, f"{wrote:,} {'row' if wrote == 1 else 'rows'} written to {parquet}")
        else:
            count = show(answer, console)
    if count == 0 and (note := not_the_latest(state, query)):
        say(errors, note)
