"""The rows of a query, shown on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console

from engine.cli.terminal.streams import write
from engine.cli.terminal.tables import fitted, prose
from engine.report.query_files import rows_of
from engine.store import QueryResult
from engine.system.plain_text import on_one_line

SHOWN = 200
"""Rows that a table shows at most."""
CELL = 80
"""Characters of a cell that a table shows at most."""


def show(answer: QueryResult, console: Console) -> int:
    """Print the rows as a table, and return how many there are: bordered on a terminal, plain columns elsewhere.

    Long texts are cut; where a terminal is too narrow for ids, names and numbers, each row has one field per line.
    """
    names = list(answer.types)
    shown: list[list[str]] = []
    total = 0
    for batch in answer.reader:
        if len(shown) < SHOWN:
            part = batch.slice(0, SHOWN - len(shown))
            shown.extend([_cell(value) for value in row] for row in rows_of(part))
        total += batch.num_rows
    right = [_is_number(kind) for kind in answer.types.values()]
    if console.is_terminal:
        cut = [
            _is_nested(kind) or prose(row[at] for row in shown)
            for at, kind in enumerate(answer.types.values())
        ]
        if shown:
            console.print(fitted(console, names, shown, right, lined=True, cut=cut))
    else:
        for text in _plain(names, shown, right):
            write(console.file, f"{text}\n")
    rest = (
        f", the first {len(shown):,} shown (--csv, --json or --parquet FILE give all)"
        if total > len(shown)
        else ""
    )
    console.print(
        f"{total:,} {'row' if total == 1 else 'rows'}{rest}", highlight=False, soft_wrap=True
    )
    return total


def _is_nested(kind: str) -> bool:
    return kind == "JSON" or kind.endswith("]") or kind.startswith(("STRUCT", "MAP"))


def _is_number(kind: str) -> bool:
    return (
        kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or kind.endswith("INT") or kind == "INTEGER"
    )


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, list) and len(value) > 8:
        text = f"[{', '.join(_cell(v) for v in value[:8])}, … {len(value)} in all]"
    elif isinstance(value, list):
        text = f"[{', '.join(_cell(v) for v in value)}]"
    else:
        text = str(value)
    text = on_one_line(text)
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _plain(names: list[str], shown: list[list[str]], right: list[bool]) -> Iterator[str]:
    widths = [max([len(n), *(len(row[i]) for row in shown)]) for i, n in enumerate(names)]
    for row in (names, *shown):
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells).rstrip()
