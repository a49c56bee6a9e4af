"""What the console completes, and what it remembers: names of the store, and the lines typed before."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.errors import StoreError
from engine.store import rows
from engine.system.files import private

KEYWORDS = (
    "AND", "AS", "ASC", "BETWEEN", "BY", "CASE", "COUNT", "DESC", "DESCRIBE", "DISTINCT", "ELSE", "END", "FILTER",
    "FROM", "GROUP", "HAVING", "IN", "IS", "JOIN", "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "ON", "OR", "ORDER", "ROUND",
    "SELECT", "SUM", "SUMMARIZE", "THEN", "USING", "WHEN", "WHERE", "WITH",
)  # fmt: skip
COMMANDS = ("exit", "help", "quit", ".help", ".quit", ".schema", ".tables")
_AFTER_TABLE = re.compile(
    r"(?:\b(?:from|join|describe|summarize)|^\s*\.schema)\s+\w*$", re.IGNORECASE
)
_NAMES = (
    "SELECT table_name AS relation, list(column_name ORDER BY column_index) AS columns FROM duckdb_columns()"
    " WHERE NOT internal GROUP BY table_name ORDER BY starts_with(table_name, 'all_'), table_name"
)
LINES = 1000
"""Typed lines that are remembered."""


def known_names(state: Path) -> dict[str, list[str]]:
    """Return the columns of each view and table."""
    return {row["relation"]: row["columns"] for row in rows(state, _NAMES)}


def candidates(known: Mapping[str, Sequence[str]], before: str, word: str) -> list[str]:
    """Return what a word may become, given the line up to its end: relations behind FROM, else columns of those named.

    Args:
        known: The columns of each relation.
        before: The line up to the end of the word.
        word: What is typed of it.
    """
    start = word.lower()
    if _AFTER_TABLE.search(before):
        return [name for name in known if name.startswith(start)]
    if before.strip() == word:
        return [name for name in (*COMMANDS, *_cased(word)) if name.lower().startswith(start)]
    mentioned = [name for name in known if re.search(rf"\b{name}\b", before.lower())]
    columns = dict.fromkeys(column for name in mentioned or known for column in known[name])
    found = [*columns, *known, *_cased(word)]
    return list(dict.fromkeys(name for name in found if name.lower().startswith(start)))


def _cased(word: str) -> list[str]:
    return [keyword if word.isupper() else keyword.lower() for keyword in KEYWORDS]


@contextlib.contextmanager
def completing(state: Path) -> Iterator[None]:
    """Complete names by Tab and keep the lines typed in `.pada/sql_history`, where Python has readline."""
    try:
        import readline
    except ImportError:
        yield
        return
    place = state / "sql_history"
    known: dict[str, list[str]] = {}
    with contextlib.suppress(StoreError):
        # The file may be busy just now: then nothing is completed.
        known = known_names(state)
    found: list[str] = []

    def complete(word: str, at: int) -> str | None:
        nonlocal found
        if at == 0:
            found = candidates(known, readline.get_line_buffer()[: readline.get_endidx()], word)
        return found[at] if at < len(found) else None

    earlier, delimiters = readline.get_completer(), readline.get_completer_delims()
    with contextlib.suppress(OSError):
        readline.read_history_file(place)
    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n()=<>,;'\"+*/")
    # macOS has libedit behind the same module, with a language of its own.
    is_libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    try:
        yield
    finally:
        readline.set_completer(earlier)
        readline.set_completer_delims(delimiters)
        readline.set_history_length(LINES)
        with contextlib.suppress(OSError), private():
            readline.write_history_file(place)
