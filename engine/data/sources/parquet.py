"""Parquet files: rows in batches, with what the file says of its columns: class names, text that is stored as bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.data.records import BadRow, Row
from engine.data.sources.class_names import Namer, namers_of, with_named
from engine.data.sources.headers import check_different
from engine.data.sources.texts import unreadable
from engine.errors import RecipeError
from engine.spec.recipe import Format
from engine.sql.expressions import Fault
from engine.sql.row_values import json_value

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 4096
_INDEX = re.compile(r"__index_level_\d+__")
"""The name that pandas gives to an index without one: it is none of the data's columns."""
_CONTROL = frozenset(range(32)) - {9, 10, 13}
"""Control characters that stand in no text."""


def read_parquet(file: Path, form: Format) -> Iterator[Row | BadRow]:
    """Yield the rows of a Parquet file; values that JSON does not know become text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(file) as parquet:
            check_different(file, parquet.schema_arrow.names, 1)
            namers = _namers(parquet.schema_arrow)
            texts: Sequence[str] | None = None
            names = parquet.schema_arrow.names
            columns = [name for name in names if not _INDEX.fullmatch(name)]
            # All of them by no list: the library takes a name with a full stop for a path.
            chosen = columns if len(columns) < len(names) else None
            for batch in parquet.iter_batches(batch_size=_BATCH, columns=chosen):
                texts = _texts(batch) if texts is None else texts
                for row in _values(batch, number):
                    number += 1
                    yield row if isinstance(row, BadRow) else _row(number, row, texts, namers)
    except (pa.ArrowException, OSError) as error:
        # What Arrow says of damaged pages is an OSError without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).splitlines()[0].rstrip(".")
        message = f"this is not a readable Parquet file: {reason}"
        raise unreadable(file, number + 1, message, "write it again") from None


def parquet_notes(file: Path, form: Format) -> list[Fault]:
    """Return what was detected in a Parquet file: nothing where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as parquet:
            batch = next(parquet.iter_batches(batch_size=_BATCH), None)
            texts = _texts(batch) if batch is not None else []
    except (pa.ArrowException, OSError, RecipeError):
        return []
    hint = "write the column as text (UTF8) so that every program reads it as text"
    return [
        Fault(f"the column '{name}' has bytes that are text: it is read that way", hint)
        for name in texts
    ]


def _namers(schema: pa.Schema) -> dict[str, Namer]:
    """Return what puts names for class numbers, where the `datasets` library wrote them into the file."""
    if b"ClassLabel" not in (schema.metadata or {}).get(b"huggingface", b""):
        return {}
    # The library is slow to import and few files need it.
    import datasets

    return namers_of(datasets.Features.from_arrow_schema(schema))


def _texts(batch: pa.RecordBatch) -> list[str]:
    """Return the columns of bytes that hold text in the first rows: some writers do not mark text as such."""
    import pyarrow as pa

    return [
        field.name
        for field, column in zip(batch.schema, batch.columns, strict=True)
        if (pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type))
        and column.null_count < len(column)
        and all(map(_is_text, column.drop_null().to_pylist()))
    ]


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return _CONTROL.isdisjoint(value)


def _row(
    number: int, row: dict[str, Any], texts: Sequence[str], namers: Mapping[str, Namer]
) -> Row | BadRow:
    for name in texts:
        if row[name] is not None:
            try:
                row[name] = row[name].decode()
            except UnicodeDecodeError:
                message = f"the column '{name}' has bytes that are not text here, and text in the first rows"
                hint = "write text as UTF-8, and other bytes into a column of their own"
                return BadRow(number, Fault(message, hint))
    return number, with_named({name: json_value(value) for name, value in row.items()}, namers)


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
