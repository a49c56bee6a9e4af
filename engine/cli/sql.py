"""`pada sql`: one query as a table, CSV, JSON or Parquet; or a small prompt."""

from __future__ import annotations

import contextlib
import csv as csv_files
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.cli.terminal.streams import for_programs
from engine.errors import EngineError, StoreError
from engine.store import QueryResult, Unseen, ask, rows
from engine.system.files import replacing

SHOWN = 200
"""Rows that a table shows at most."""
CELL = 80
"""Characters of a cell that a table shows at most."""
HELP = """\
Type a SELECT; it runs at the end of the line when it is complete, or at `;`.
.tables          the views and tables, with what they are
.schema NAME     the columns of one of them
.quit            leave (or Ctrl-D)"""
_TABLES = (
    "SELECT view_name AS name, 'view' AS kind, comment FROM duckdb_views() WHERE NOT internal"
    " UNION ALL SELECT table_name, 'table', comment FROM duckdb_tables() ORDER BY kind DESC, name"
)
_SCHEMA = (
    'SELECT column_name AS "column", data_type AS type, comment FROM duckdb_columns()'
    " WHERE table_name = ? AND NOT internal ORDER BY column_index"
)


def sql_command(
    state: Path,
    query: str | None,
    *,
    csv: bool = False,
    json: bool = False,
    parquet: Path | None = None,
    console: Console | None = None,
    errors: Console | None = None,
) -> None:
    """Run one query and print or write its rows; without a query open a prompt.

    Notes go to `errors`: rows that are not visible yet, what is waited for.

    Raises:
        StoreError: no store, wrong SQL, a statement that would write, or the file is held by another process.
    """
    console, errors = console or Console(), errors or Console(stderr=True)
    if csv + json + (parquet is not None) > 1:
        raise StoreError("--csv, --json and --parquet exclude each other", "choose one")
    if query is None:
        if csv or json or parquet is not None:
            raise StoreError("there is no query to export", 'write one: pada sql "select …" --csv')
        prompt(state, console, errors)
        return
    with ask(state, query, notice=lambda text: _say(errors, text)) as answer:
        tell_unseen(errors, answer.unseen)
        if csv:
            _write_csv(answer, for_programs(console.file))
        elif json:
            _write_json(answer, for_programs(console.file))
        elif parquet is not None:
            count = _write_parquet(answer, parquet)
            _say(errors, f"{count:,} {'row' if count == 1 else 'rows'} written to {parquet}")
        else:
            show(answer, console)


def _say(errors: Console, text: str) -> None:
    errors.print(text, highlight=False, markup=False, soft_wrap=True)


def tell_unseen(errors: Console, unseen: Unseen) -> None:
    """Say how many rows of a run queries do not see yet, and when they will; nothing where all are there."""
    if not unseen.rows:
        return
    count = f"{unseen.rows:,} {'row is' if unseen.rows == 1 else 'rows are'} not visible yet"
    if unseen.pid:
        _say(errors, f"{count}: the run {unseen.run} (process {unseen.pid}) writes them shortly")
    else:
        _say(errors, f"{count}: a run that was killed left them; the next run writes them")


def show(answer: QueryResult, console: Console) -> None:
    """Print the rows as a table: bordered on a terminal, plain columns elsewhere; long cells are cut."""
    names = list(answer.types)
    shown: list[list[str]] = []
    total = 0
    for batch in answer.reader:
        if len(shown) < SHOWN:
            part = batch.slice(0, SHOWN - len(shown))
            shown.extend([_cell(value) for value in row] for row in _rows(part))
        total += batch.num_rows
    right = [_is_number(kind) for kind in answer.types.values()]
    if console.is_terminal:
        table = Table(header_style="bold")
        for name, number in zip(names, right, strict=True):
            table.add_column(Text(name), justify="right" if number else "left", overflow="ellipsis")
        for row in shown:
            table.add_row(*(Text(cell, style="dim" if cell == "NULL" else "") for cell in row))
        console.print(table)
    else:
        for text in _plain(names, shown, right):
            console.file.write(text + "\n")
    rest = (
        f", the first {len(shown):,} shown (--csv, --json or --parquet FILE give all)"
        if total > len(shown)
        else ""
    )
    console.print(
        f"{total:,} {'row' if total == 1 else 'rows'}{rest}", highlight=False, soft_wrap=True
    )


def _rows(batch: Any) -> Iterator[tuple[Any, ...]]:
    columns = [column.to_pylist() for column in batch.columns]
    return zip(*columns, strict=True) if columns else iter(())


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
    # One row, one line; and nothing that a terminal would obey.
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _plain(names: list[str], shown: list[list[str]], right: list[bool]) -> Iterator[str]:
    widths = [max([len(n), *(len(row[i]) for row in shown)]) for i, n in enumerate(names)]
    for row in (names, *shown):
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells).rstrip()


def _write_csv(answer: QueryResult, out: IO[str]) -> None:
    import orjson

    writer = csv_files.writer(out, lineterminator="\n")
    writer.writerow(answer.types)
    for batch in answer.reader:
        for row in _rows(batch):
            writer.writerow(
                [
                    orjson.dumps(v, default=_plain_value).decode()
                    if isinstance(v, list | dict | bool)
                    else v
                    for v in row
                ]
            )


def _write_json(answer: QueryResult, out: IO[str]) -> None:
    """Write one JSON object per line; JSON columns are part of it, not text in it."""
    import orjson

    is_json = [kind == "JSON" for kind in answer.types.values()]
    for batch in answer.reader:
        for row in _rows(batch):
            values = (
                orjson.Fragment(v) if j and v is not None else v
                for v, j in zip(row, is_json, strict=True)
            )
            record = dict(zip(answer.types, values, strict=True))
            out.write(orjson.dumps(record, default=_plain_value).decode() + "\n")


def _plain_value(value: Any) -> Any:
    import orjson

    if isinstance(value, Decimal):
        # DuckDB sums integers into HUGEINT, which comes as a decimal; orjson writes no more than 64 bits.
        is_whole = value == value.to_integral_value()
        return orjson.Fragment(str(int(value))) if is_whole else float(value)
    return str(value)


def _write_parquet(answer: QueryResult, path: Path) -> int:
    import pyarrow.parquet as pq

    count = 0
    try:
        with replacing(path) as part, pq.ParquetWriter(part, answer.reader.schema) as writer:
            for batch in answer.reader:
                writer.write_batch(batch)
                count += batch.num_rows
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror or error})", "choose another place"
        ) from error
    return count


def prompt(state: Path, console: Console, errors: Console) -> None:
    """Read queries line by line until `.quit` or the end of the input; an error does not end it."""
    rows(state, "SELECT 1")
    interactive = sys.stdin.isatty()
    if interactive:
        console.print("pada sql, read-only. .help says what can be typed.", highlight=False)
    with _history(state) if interactive else contextlib.nullcontext():
        pending = ""
        while True:
            try:
                text = input(("   ...> " if pending else "pada> ") if interactive else "")
            except EOFError:
                if pending.strip():
                    _answer(state, pending, console, errors, last=True)
                return
            except KeyboardInterrupt:
                pending = ""
                console.print()
                continue
            if not pending and text.strip() in {".quit", ".exit"}:
                return
            pending = _take(state, pending, text, console, errors)


def _take(state: Path, pending: str, text: str, console: Console, errors: Console) -> str:
    """Act on one line and return what must wait for the next one."""
    if not pending and text.strip().startswith("."):
        _command(state, text.split(), console, errors)
        return ""
    statement = f"{pending}\n{text}" if pending else text
    if not statement.strip():
        return ""
    last = text.rstrip().endswith(";") or (bool(pending) and not text.strip())
    return "" if _answer(state, statement, console, errors, last=last) else statement


def _answer(
    state: Path,
    statement: str,
    console: Console,
    errors: Console,
    *,
    last: bool,
    parameters: tuple[str, ...] = (),
) -> bool:
    """Run a statement and print its rows or what is wrong; return False when it only lacks its end."""
    try:
        with ask(state, statement, parameters, notice=lambda text: _say(errors, text)) as answer:
            tell_unseen(errors, answer.unseen)
            show(answer, console)
    except EngineError as error:
        if "end of input" in error.message and not last:
            return False
        _say(errors, f"error: {error}")
    except KeyboardInterrupt:
        _say(errors, "interrupted")
    return True


def _command(state: Path, words: list[str], console: Console, errors: Console) -> None:
    if words[0] == ".tables":
        _answer(state, _TABLES, console, errors, last=True)
    elif words[0] == ".schema" and len(words) == 2:
        _answer(state, _SCHEMA, console, errors, last=True, parameters=(words[1].rstrip(";"),))
    elif words[0] in {".help", ".schema"}:
        console.print(HELP, highlight=False, markup=False)
    else:
        _say(errors, f"error: no command {words[0]}\n{HELP}")


@contextlib.contextmanager
def _history(state: Path) -> Iterator[None]:
    """Keep the lines typed in `.pada/sql_history`, where Python has readline and the folder can be written."""
    try:
        import readline
    except ImportError:
        yield
        return
    place = state / "sql_history"
    with contextlib.suppress(OSError):
        readline.read_history_file(place)
    try:
        yield
    finally:
        readline.set_history_length(1000)
        with contextlib.suppress(OSError):
            readline.write_history_file(place)
