"""The console of `pada sql`: statements that end with `;`, over as many lines as they take, and a few commands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from engine.cli.sql.completion import completing
from engine.cli.sql.output import show
from engine.cli.sql.said import not_the_latest, tell_unseen
from engine.cli.terminal.output import say
from engine.errors import EngineError
from engine.store import ask, rows

ERROR = EngineError.exit_code
"""Exit code after a statement that was wrong, where nobody was there to see it."""
HELP = """\
A statement ends with `;` and may take several lines; it is one SELECT (or DESCRIBE, SUMMARIZE, EXPLAIN).
help             this (also .help)
.tables          the views and tables, with what they are
.schema NAME     the columns of one of them
exit, quit       leave (also .quit, or Ctrl-D)
Ctrl-C           drop what was typed so far
Tab              complete names of views, tables and columns
The views show the latest run of each recipe; all_failures, all_leaderboard, … have every run."""
_TABLES = (
    "SELECT view_name AS name, 'view' AS kind, comment FROM duckdb_views() WHERE NOT internal"
    " UNION ALL SELECT table_name, 'table', comment FROM duckdb_tables()"
    " ORDER BY kind DESC, starts_with(name, 'all_'), name"
)
_SCHEMA = (
    'SELECT column_name AS "column", data_type AS type, comment FROM duckdb_columns()'
    " WHERE table_name = ? AND NOT internal ORDER BY column_index"
)
_LEAVE = {"exit", "quit", ".exit", ".quit", "\\q"}
_HELP = {"help", ".help", "\\?", "\\h"}


def converse(state: Path, console: Console, errors: Console) -> int:
    """Read statements until the input ends or is left, and answer each; return the exit code.

    An error ends nothing; where the input is no terminal it makes the code ERROR. Raises StoreError without a store.
    """
    rows(state, "SELECT 1")
    interactive = sys.stdin.isatty()
    if not interactive:
        failed = _read(state, lambda _: input(), console, errors)
        return ERROR if failed else 0
    console.print(
        "pada sql, read-only. Statements end with ;  `help` says what can be typed.",
        highlight=False,
    )
    with completing(state):
        _read(state, input, console, errors)
    return 0


def _read(state: Path, line: Callable[[str], str], console: Console, errors: Console) -> bool:
    """Answer what is typed; return whether anything was wrong."""
    failed, pending = False, ""
    while True:
        try:
            text = line("   ...> " if pending else "pada> ")
        except EOFError:
            if pending.strip():
                failed |= not answer(state, pending, console, errors)
            return failed
        except KeyboardInterrupt:
            pending = ""
            console.print()
            continue
        word = text.strip().rstrip(";").strip().lower()
        if not pending and word in _LEAVE:
            return failed
        if not pending and (word in _HELP or word.startswith(".")):
            failed |= not _command(state, text.split(), console, errors)
            continue
        whole, pending = split(f"{pending}\n{text}" if pending else text)
        for statement in whole:
            failed |= not answer(state, statement, console, errors)


def split(text: str) -> tuple[list[str], str]:
    """Return the statements in a text that `;` ends, and what is left; `;` in quotes and comments ends nothing."""
    whole, start, at = [], 0, 0
    while at < len(text):
        end = _skipped(text, at)
        if end is None:
            # A quote or a comment that is still open.
            break
        if end == at and text[at] == ";":
            if text[start:at].strip():
                whole.append(text[start:at].strip())
            start = at + 1
        at = max(end, at + 1)
    rest = text[start:]
    return whole, rest if rest.strip() else ""


def _skipped(text: str, at: int) -> int | None:
    """Return where what is quoted or commented at a place ends, the place itself where nothing is; None while open."""
    for begin, end in (("--", "\n"), ("/*", "*/"), ("$$", "$$"), ("'", "'"), ('"', '"')):
        if text.startswith(begin, at):
            found = text.find(end, at + len(begin))
            if found >= 0:
                return found + len(end)
            # A comment to the end of its line says nothing of the next one.
            return len(text) if begin == "--" else None
    return at


def answer(
    state: Path,
    statement: str,
    console: Console,
    errors: Console,
    parameters: tuple[str, ...] = (),
) -> bool:
    """Run a statement and print its rows or what is wrong; return whether it was right."""
    try:
        with ask(state, statement, parameters, notice=lambda text: say(errors, text)) as found:
            tell_unseen(errors, found.unseen)
            count = show(found, console)
        if not count and (note := not_the_latest(state, statement)):
            say(errors, note)
    except EngineError as error:
        say(errors, f"error: {error}")
        return False
    except KeyboardInterrupt:
        say(errors, "interrupted")
    return True


def _command(state: Path, words: list[str], console: Console, errors: Console) -> bool:
    command = words[0].rstrip(";").lower()
    if command == ".tables":
        return answer(state, _TABLES, console, errors)
    if command == ".schema" and len(words) == 2:
        return answer(state, _SCHEMA, console, errors, (words[1].rstrip(";"),))
    if command in {*_HELP, ".schema"}:
        console.print(HELP, highlight=False, markup=False)
        return True
    say(errors, f"error: no command {words[0]}\n{HELP}")
    return False
