"""Readers of data files: rows as dicts of JSON-like values, with line numbers, few rows in memory at a time.

Text files may be compressed (`.gz`, `.zst`). Reading is in Python where a row must be named by its line: DuckDB's
readers keep no line numbers, and tell of the first broken row only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import json_text
from engine.data.records import BadRow, Row
from engine.data.sources.delimited import detected_in, layout_of, read_delimited
from engine.data.sources.excel import detected_sheet, excel_notes, read_excel
from engine.data.sources.json_values import JsonMistake, read_values
from engine.data.sources.parquet import parquet_notes, read_parquet
from engine.data.sources.texts import (
    COMPRESSED,
    UTF8,
    Encoding,
    byte_lines,
    encoding_of,
    opened,
    text_lines,
    undecodable,
    unreadable,
)
from engine.spec.recipe import Format
from engine.sql.expressions import Fault

_NO_OBJECT = Fault("this is JSON, but not an object", 'write each row as {"column": value, …}')


@dataclass(frozen=True, slots=True)
class Reader:
    """How the files with one ending are read."""

    rows: Callable[[Path, Format], Iterator[Row | BadRow]]
    """Yields the rows; raises RecipeError behind what nothing can be read, OSError."""
    notes: Callable[[Path, Format], Sequence[Fault]]
    """Returns what was detected and should be said; raises as `rows`."""
    settings: frozenset[str]
    """What of a recipe's `format` says something of such files."""
    detected: Callable[[Path, Format], dict[str, Any]] = lambda file, form: {}
    """Returns what was detected, as settings of a recipe's `format`; raises as `rows`."""
    compressed: bool = True
    """Whether the files may be compressed from outside."""


def ending(file: Path) -> str:
    """Return the ending that says how a file is read, in small letters: `.jsonl` of `a.JSONL.gz`."""
    last = file.suffix.lower()
    inner = Path(file.stem).suffix.lower() if last in COMPRESSED else ""
    # Parquet and XLSX compress inside; a compressed file of them could not be read from its end.
    is_text = inner and (inner not in READERS or READERS[inner].compressed)
    return inner if is_text else last


def _json_lines(file: Path, encoding: Encoding) -> Iterator[tuple[int, bytes | BadRow]]:
    """Yield the lines of a file in UTF-8."""
    if encoding.name == UTF8:
        yield from byte_lines(file)
        return
    for number, line in text_lines(file, encoding):
        yield number, line if isinstance(line, BadRow) else line.encode()


def read_jsonl(file: Path, form: Format) -> Iterator[Row | BadRow]:
    """Yield one object per line; empty lines are skipped."""
    for number, raw in _json_lines(file, encoding_of(file, form)):
        if isinstance(raw, BadRow):
            yield raw
            continue
        if raw.isspace():
            continue
        try:
            value = json_text.parse_line(raw)
        except ValueError as error:
            yield _not_json(number, raw, error)
            continue
        yield (number, value) if isinstance(value, dict) else BadRow(number, _NO_OBJECT)


def _not_json(line: int, raw: bytes, error: ValueError) -> BadRow:
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return undecodable(line, raw, wrong)
    # Valid JSON that still cannot be read has no position to report.
    column = error.colno if isinstance(error, json.JSONDecodeError) else 1
    reason = str(error).split(": line ")[0]
    fault = Fault(f"this is not valid JSON: {reason}", "one JSON object per line")
    return BadRow(line, fault, column)


def read_json(file: Path, form: Format) -> Iterator[Row | BadRow]:
    """Yield the objects of a JSON array, or of objects one after the other, with the line each starts on."""
    encoding = encoding_of(file, form)
    with opened(file) as stream:
        try:
            for line, value in read_values(stream, encoding.name):
                yield (line, value) if isinstance(value, dict) else BadRow(line, _NO_OBJECT)
        except JsonMistake as error:
            fault = error.fault
            raise unreadable(file, error.line, *fault, column=error.column) from None


def _json_notes(file: Path, form: Format) -> Sequence[Fault]:
    said = encoding_of(file, form).said
    return [said] if said else []


def _json_detected(file: Path, form: Format) -> dict[str, Any]:
    found = encoding_of(file, form)
    return {"encoding": found.name} if found.said else {}


def _delimited(usual: str) -> Reader:
    """Return how files are read whose fields are usually parted by `usual`."""
    return Reader(
        lambda file, form: read_delimited(file, form, usual),
        lambda file, form: layout_of(file, form, usual).said,
        frozenset({"delimiter", "encoding", "decimal", "header"}),
        lambda file, form: detected_in(file, form, usual),
    )


READERS: dict[str, Reader] = {
    ".jsonl": Reader(read_jsonl, _json_notes, frozenset({"encoding"}), _json_detected),
    ".json": Reader(read_json, _json_notes, frozenset({"encoding"}), _json_detected),
    ".csv": _delimited(","),
    ".tsv": _delimited("\t"),
    ".parquet": Reader(read_parquet, parquet_notes, frozenset(), compressed=False),
    ".xlsx": Reader(
        read_excel, excel_notes, frozenset({"sheet", "header"}), detected_sheet, compressed=False
    ),
}
"""Endings that can be read, before that of a compression."""
