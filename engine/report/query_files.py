"""The rows of a query, written for other programs: CSV, JSON lines, Parquet."""

from __future__ import annotations

import csv as csv_files
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from engine.errors import StoreError
from engine.store import QueryResult
from engine.system.files import replacing
from engine.system.plain_text import cell, clean_json


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
        for row in rows_of(batch):
            writer.writerow([shown(value) for value in row])


def write_json(answer: QueryResult, out: IO[str]) -> None:
    """Write one JSON object per line; JSON columns are part of it, not text in it."""
    import orjson

    is_json = [kind == "JSON" for kind in answer.types.values()]
    for batch in answer.reader:
        for row in rows_of(batch):
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
    try:
        with replacing(path) as part:
            return parquet_to(answer, part)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror or error})", "choose another place"
        ) from error


def parquet_to(answer: QueryResult, sink: Path | IO[bytes]) -> int:
    """Write the rows as Parquet to a file, or into one that is open; return how many."""
    import pyarrow.parquet as pq

    count = 0
    with pq.ParquetWriter(sink, answer.reader.schema) as writer:
        for batch in answer.reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def rows_of(batch: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of an Arrow batch."""
    columns = [column.to_pylist() for column in batch.columns]
    return zip(*columns, strict=True) if columns else iter(())
