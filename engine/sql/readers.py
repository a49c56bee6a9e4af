"""Readers of data files: rows as dicts of JSON-like values, with line numbers."""

from __future__ import annotations

import csv
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import Location, Problem, RecipeError

Row = tuple[int, dict[str, Any]]

_AT_MOST = 10


class Faults:
    """Bad rows of one file; reading stops with all of them, or at the tenth."""

    def __init__(self, file: str) -> None:
        """Take the file's name as shown in messages."""
        self.file = file
        self.problems: list[Problem] = []

    def add(self, line: int, message: str, hint: str, column: int = 1) -> None:
        """Note one bad row; raises RecipeError at the tenth."""
        where = Location(self.file, line, column)
        self.problems.append(Problem(where, message, hint, code="data"))
        if len(self.problems) >= _AT_MOST:
            note = f"reading stops after {_AT_MOST} bad rows"
            self.problems.append(
                Problem(Location(self.file, line, column + 1), note, "mend these first")
            )
            self.stop()

    def stop(self) -> None:
        """Raise RecipeError if there were bad rows."""
        if self.problems:
            raise RecipeError(self.problems)


def _lines(file: Path, faults: Faults) -> Iterator[tuple[int, str]]:
    """Yield the lines of a UTF-8 file with their numbers, without the byte order mark."""
    with file.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                column = len(raw[: error.start].decode("utf-8", "replace")) + 1
                message = (
                    f"this is not UTF-8: the byte 0x{raw[error.start]:02x} does not belong here"
                )
                hint = "save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)"
                faults.add(number, message, hint, column)
                continue
            yield number, text


def read_jsonl(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield one object per line; empty lines are skipped."""
    import orjson

    for number, text in _lines(file, faults):
        if not text.strip():
            continue
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            said = error.msg.split(": line ")[0]
            faults.add(
                number, f"this is not valid JSON: {said}", "one JSON object per line", error.colno
            )
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            hint = 'write each row as {"column": value, …}'
            faults.add(number, "this is JSON, but not an object", hint)


def read_csv(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield the rows of a comma-separated file with a header; every value is text."""
    return _delimited(file, faults, ",")


def read_tsv(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield the rows of a tab-separated file with a header; every value is text."""
    return _delimited(file, faults, "\t")


def _delimited(file: Path, faults: Faults, delimiter: str) -> Iterator[Row]:
    text = (line for _, line in _lines(file, faults))
    reader = csv.reader(text, delimiter=delimiter, strict=True)
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
        faults.add(
            reader.line_num, f"this is not valid CSV: {error}", "check the quotes of this row"
        )


def _check_header(header: list[str], line: int, faults: Faults) -> None:
    for index, name in enumerate(header):
        if not name.strip():
            faults.add(
                line,
                f"column {index + 1} has no name",
                "give every column a name in the first line",
            )
        elif name in header[:index]:
            faults.add(
                line, f"two columns are called '{name}'", "give each column a name of its own"
            )


def read_parquet(file: Path, faults: Faults) -> Iterator[Row]:
    """Yield the rows of a Parquet file; values that JSON does not know become text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield number, {name: plain(value) for name, value in row.items()}
    except pa.ArrowException as error:
        said = str(error).splitlines()[0].rstrip(".")
        faults.add(number + 1, f"this is not a readable Parquet file: {said}", "write it again")


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
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


READERS: dict[str, Callable[[Path, Faults], Iterator[Row]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
}
"""Endings that can be read."""
