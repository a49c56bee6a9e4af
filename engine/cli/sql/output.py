"""The rows of a query: shown on a terminal, or written for other programs."""

from __future__ import annotations

import csv as csv_files
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from engine.cli.terminal.streams import write
from engine.cli.terminal.tables import fitted, prose
from engine.errors import StoreError
from engine.store import QueryResult
from engine.system.files import replacing
from engine.system.plain_text import cell, clean_json, on_one_line

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
            shown.extend([_cell(value) for value in row] for row in _rows(part))
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


def _rows(batch: Any) -> Iterator[tuple[Any, ...]]:
    columns = [column.to_pylist() for column in batch.columns]
    return zip(*columns, strict=True) if columns else iter(())


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


def write_csv(answer: QueryResult, out: IO[str], *, raw: bool = False) -> None:
    """Write the rows as CSV, values with parts as JSON; texts as `plain_text.cell` has them, or as they are."""
    import orjson

    writer = csv_files.writer(out, lineterminator="\n")
    writer.writerow([cell(name, raw=raw) for name in answer.types])

    def shown(value: Any) -> Any:
        if isinstance(value, list | dict | bool):
            text = orjson.dumps(value, default=_plain_value).decode()
            return text if raw else clean_json(text)
        return cell(value, raw=raw)

    for batch in answer.reader:
        for row in _rows(batch):
            writer.writerow([shown(value) for value in row])


def write_json(answer: QueryResult, out: IO[str]) -> None:
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
            out.write(clean_json(orjson.dumps(record, default=_plain_value).decode()) + "\n")


def _plain_value(value: Any) -> Any:
    import orjson

    if isinstance(value, Decimal):
        # DuckDB sums integers into HUGEINT, which comes as a decimal; orjson writes no more than 64 bits.
        is_whole = value == value.to_integral_value()
        return orjson.Fragment(str(int(value))) if is_whole else float(value)
    return str(value)


def write_parquet(answer: QueryResult, path: Path) -> int:
    """Write the rows to a Parquet file, whole or not at all; return how many. Raises StoreError."""
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
