"""Readers of data files: rows as dicts of JSON-like values, with line numbers, few rows in memory at a time.

Text files may be compressed (`.gz`, `.zst`). Reading is in Python where a row must be named by its line: DuckDB's
readers keep no line numbers, and tell of the first broken row only.
"""

from __future__ import annotations

import csv
import gzip
import io
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from engine.sql.faults import Faults
from engine.sql.json_values import read_values

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[int, dict[str, Any]]

COMPRESSED = (".gz", ".zst")
_LONGEST_FIELD = 64 * 1024 * 1024
"""Characters of a CSV field: a quote that is never closed must not take the whole file into memory."""


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


def _lines(file: Path, faults: Faults) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers, without the byte order mark."""
    with opened(file) as stream:
        for number, raw in enumerate(stream, start=1):
            yield number, raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw


def _not_utf8(line: int, raw: bytes, error: UnicodeDecodeError, faults: Faults) -> None:
    column = len(raw[: error.start].decode("utf-8", "replace")) + 1
    message = f"this is not UTF-8: the byte 0x{raw[error.start]:02x} does not belong here"
    hint = "save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)"
    faults.add(line, message, hint, column)


def read_jsonl(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield one object per line; empty lines are skipped."""
    import orjson

    for number, raw in _lines(file, faults):
        try:
            value = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            if raw.strip():
                _not_json(number, raw, error, faults)
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            hint = 'write each row as {"column": value, …}'
            faults.add(number, "this is JSON, but not an object", hint)


def _not_json(line: int, raw: bytes, error: Any, faults: Faults) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError as wrong:
        _not_utf8(line, raw, wrong, faults)
        return
    said = error.msg.split(": line ")[0]
    faults.add(line, f"this is not valid JSON: {said}", "one JSON object per line", error.colno)


def read_json(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield the objects of a JSON array, or of objects one after the other, with the line each starts on."""
    with opened(file) as stream:
        for line, value in read_values(stream, faults):
            if isinstance(value, dict):
                yield line, value
            else:
                hint = 'write each row as {"column": value, …}'
                faults.add(line, "this is JSON, but not an object", hint)


def read_csv(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield the rows of a comma-separated file with a header; every value is text."""
    return _delimited(file, faults, ",")


def read_tsv(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield the rows of a tab-separated file with a header; every value is text."""
    return _delimited(file, faults, "\t")


def _texts(file: Path, faults: Faults) -> Iterator[str]:
    for number, raw in _lines(file, faults):
        try:
            yield raw.decode()
        except UnicodeDecodeError as error:
            _not_utf8(number, raw, error, faults)
            # An empty line keeps the count of lines and is no row.
            yield "\n"


def _delimited(file: Path, faults: Faults, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader(_texts(file, faults), delimiter=delimiter, strict=True)
    start = 1
    header: list[str] | None = None
    try:
        for fields in reader:
            line, start = start, reader.line_num + 1
            if not fields:
                continue
            if header is None:
                header = fields
                _check_header(header, line, faults)
            elif len(fields) != len(header):
                many = f"{len(fields)} field{'s' if len(fields) > 1 else ''}"
                message = f"this row has {many}, the header has {len(header)}"
                faults.add(line, message, f"put quotes around a field that contains {delimiter!r}")
            else:
                yield line, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        # What follows cannot be told apart into rows any more.
        hint = "check the quotes of this row: it may be one that is never closed"
        faults.fatal(start, f"this is not valid CSV: {error}", hint)


def _check_header(header: list[str], line: int, faults: Faults) -> None:
    for index, name in enumerate(header):
        if not name.strip():
            message = f"column {index + 1} has no name"
            faults.fatal(line, message, "give every column a name in the first line")
    _check_different(header, line, faults)


def _check_different(names: list[str], line: int, faults: Faults) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            message = f"two columns are called '{name}'"
            faults.fatal(line, message, "give each column a name of its own")


def read_parquet(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield the rows of a Parquet file; values that JSON does not know become text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as parquet:
            _check_different(parquet.schema_arrow.names, 1, faults)
            for batch in parquet.iter_batches(batch_size=4096):
                for row in _values(batch, number, faults):
                    number += 1
                    if row is not None:
                        yield number, {name: plain(value) for name, value in row.items()}
    except (pa.ArrowException, OSError) as error:
        # What Arrow says of damaged pages is an OSError without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        said = str(error).splitlines()[0].rstrip(".")
        faults.fatal(number + 1, f"this is not a readable Parquet file: {said}", "write it again")


def _values(batch: pa.RecordBatch, before: int, faults: Faults) -> Iterator[dict[str, Any] | None]:
    """Yield the rows of a batch; None for one that Python cannot hold, which is noted."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError) as error:
        if len(batch) == 1:
            hint = "write text as UTF-8, and dates between the years 1 and 9999"
            faults.add(before + 1, f"this row has a value that cannot be read: {error}", hint)
            yield None
            return
        half = len(batch) // 2
        yield from _values(batch.slice(0, half), before, faults)
        yield from _values(batch.slice(half), before + half, faults)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: dates and the like as text, bytes as base64, no NaN."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


READERS: dict[str, Callable[[Path, Faults], Iterator[Row]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
}
"""Endings that can be read, before that of a compression."""
