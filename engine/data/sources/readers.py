"""Readers of data files: rows as dicts of JSON-like values, with line numbers, few rows in memory at a time.

Text files may be compressed (`.gz`, `.zst`). Reading is in Python where a row must be named by its line: DuckDB's
readers keep no line numbers, and tell of the first broken row only.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from engine import json_text
from engine.data.records import BadRow
from engine.data.sources.json_values import JsonMistake, read_values
from engine.errors import Location, Problem, RecipeError
from engine.sql.expressions import Fault
from engine.sql.row_values import json_value

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[int, dict[str, Any]]
"""A row's line and values."""

COMPRESSED = (".gz", ".zst")
_LONGEST_FIELD = 64 * 1024 * 1024
"""Characters of a CSV field: a quote that is never closed must not take the whole file into memory."""
_NO_OBJECT = Fault("this is JSON, but not an object", 'write each row as {"column": value, …}')


def ending(file: Path) -> str:
    """Return the ending that says how a file is read: `.jsonl` of `a.jsonl.gz`."""
    inner = Path(file.stem).suffix if file.suffix in COMPRESSED else ""
    # Parquet compresses inside; a compressed file of it could not be read from its end.
    return file.suffix if inner in ("", ".parquet") else inner


def opened(file: Path) -> BinaryIO:
    """Open a file for reading, decompressed; raises OSError."""
    if file.suffix == ".gz":
        return cast(BinaryIO, gzip.open(file, "rb"))
    if file.suffix == ".zst":
        import pyarrow as pa

        # pyarrow's stream has no lines of its own.
        return io.BufferedReader(pa.input_stream(str(file), compression="zstd"))
    return file.open("rb")


def _unreadable(file: Path, line: int, message: str, hint: str, column: int = 1) -> RecipeError:
    """Return a mistake behind which nothing of the file can be read."""
    return RecipeError([Problem(Location.at(file, line, column), message, hint, code="data")])


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, without the byte order mark."""
    with opened(file) as stream:
        for number, raw in enumerate(stream, start=1):
            yield number, raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw


def _not_utf8(line: int, raw: bytes, error: UnicodeDecodeError) -> BadRow:
    column = len(raw[: error.start].decode("utf-8", "replace")) + 1
    message = f"this is not UTF-8: the byte 0x{raw[error.start]:02x} does not belong here"
    hint = "save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)"
    return BadRow(line, Fault(message, hint), column)


def read_jsonl(file: Path) -> Iterator[Row | BadRow]:
    """Yield one object per line; empty lines are skipped."""
    for number, raw in _lines(file):
        try:
            value = json_text.parse_line(raw)
        except ValueError as error:
            if raw.strip():
                yield _not_json(number, raw, error)
            continue
        yield (number, value) if isinstance(value, dict) else BadRow(number, _NO_OBJECT)


def _not_json(line: int, raw: bytes, error: ValueError) -> BadRow:
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        return _not_utf8(line, raw, wrong)
    # Valid JSON that still cannot be read has no position to report.
    column = error.colno if isinstance(error, json.JSONDecodeError) else 1
    reason = str(error).split(": line ")[0]
    fault = Fault(f"this is not valid JSON: {reason}", "one JSON object per line")
    return BadRow(line, fault, column)


def read_json(file: Path) -> Iterator[Row | BadRow]:
    """Yield the objects of a JSON array, or of objects one after the other, with the line each starts on."""
    with opened(file) as stream:
        try:
            for line, value in read_values(stream):
                yield (line, value) if isinstance(value, dict) else BadRow(line, _NO_OBJECT)
        except JsonMistake as error:
            fault = error.fault
            raise _unreadable(file, error.line, *fault, column=error.column) from None


def read_csv(file: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a comma-separated file with a header; every value is text."""
    return _delimited(file, ",")


def read_tsv(file: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a tab-separated file with a header; every value is text."""
    return _delimited(file, "\t")


def _texts(file: Path, broken: list[BadRow]) -> Iterator[str]:
    """Yield the lines of a file as text; those that are not text join `broken`."""
    for number, raw in _lines(file):
        try:
            yield raw.decode()
        except UnicodeDecodeError as error:
            broken.append(_not_utf8(number, raw, error))
            # An empty line keeps the count of lines and is no row.
            yield "\n"


def _delimited(file: Path, delimiter: str) -> Iterator[Row | BadRow]:
    csv.field_size_limit(_LONGEST_FIELD)
    broken: list[BadRow] = []
    reader = csv.reader(_texts(file, broken), delimiter=delimiter, strict=True)
    start = 1
    header: list[str] | None = None
    try:
        for fields in reader:
            line, start = start, reader.line_num + 1
            yield from broken
            broken.clear()
            if not fields:
                continue
            if header is None:
                header = fields
                _check_header(file, header, line)
            elif len(fields) != len(header):
                many = f"{len(fields)} field{'s' if len(fields) > 1 else ''}"
                message = f"this row has {many}, the header has {len(header)}"
                hint = f"put quotes around a field that contains {delimiter!r}"
                yield BadRow(line, Fault(message, hint))
            else:
                yield line, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        yield from broken
        # What follows cannot be told apart into rows any more.
        hint = "check the quotes of this row: it may be one that is never closed"
        raise _unreadable(file, start, f"this is not valid CSV: {error}", hint) from None


def _check_header(file: Path, header: list[str], line: int) -> None:
    for index, name in enumerate(header):
        if not name.strip():
            message = f"column {index + 1} has no name"
            raise _unreadable(file, line, message, "give every column a name in the first line")
    _check_different(file, header, line)


def _check_different(file: Path, names: list[str], line: int) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            message = f"two columns are called '{name}'"
            raise _unreadable(file, line, message, "give each column a name of its own")


def read_parquet(file: Path) -> Iterator[Row | BadRow]:
    """Yield the rows of a Parquet file; values that JSON does not know become text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as parquet:
            _check_different(file, parquet.schema_arrow.names, 1)
            for batch in parquet.iter_batches(batch_size=4096):
                for row in _values(batch, number):
                    number += 1
                    if isinstance(row, BadRow):
                        yield row
                    else:
                        yield number, {name: json_value(value) for name, value in row.items()}
    except (pa.ArrowException, OSError) as error:
        # What Arrow says of damaged pages is an OSError without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        message = f"this is not a readable Parquet file: {reason}"
        raise _unreadable(file, number + 1, message, "write it again") from None


def _values(batch: pa.RecordBatch, before: int) -> Iterator[dict[str, Any] | BadRow]:
    """Yield the rows of a batch, which stands behind `before` rows; a bad row for one that Python cannot hold."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError) as error:
        if len(batch) == 1:
            message = f"this row has a value that cannot be read: {error}"
            hint = "write text as UTF-8, and dates between the years 1 and 9999"
            yield BadRow(before + 1, Fault(message, hint))
            return
        half = len(batch) // 2
        yield from _values(batch.slice(0, half), before)
        yield from _values(batch.slice(half), before + half)


READERS: dict[str, Callable[[Path], Iterator[Row | BadRow]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
}
"""Endings that can be read, before that of a compression."""
