"""Mutated data files, of every format that is read."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.security.fuzz.commands import pada
from tests.security.fuzz.mutations import (
    ODD_TEXTS,
    mutated,
    mutated_bytes,
    mutated_text,
    odd,
    written,
)
from tests.security.fuzz.recipes import KINDS, recipe_of, write_rows

_ROWS: list[dict[str, Any]] = KINDS["classification"][1]
_SQL = (
    "SELECT * FROM '{}'",
    "SELECT text, kind FROM '{}' WHERE length(text) > 0",
    "SELECT upper(text) AS text, kind FROM '{}' ORDER BY 1",
)


def attempt(number: int, random: Random, folder: Path) -> str:
    """Check a recipe whose training rows lie in a mutated file."""
    ending, make = random.choice(_FORMATS)
    name = f"train{ending}"
    file = folder / name
    file.write_bytes(make(random))
    write_rows("classification", folder)
    recipe = recipe_of("classification")
    del recipe["task"]["prompt"]
    recipe["data"]["train"] = (
        {"sql": random.choice(_SQL).format(name)} if random.random() < 0.25 else {"path": name}
    )
    if random.random() < 0.15:
        recipe["data"]["train"]["columns"] = {
            "kind": random.choice(("kind::VARCHAR", "upper(kind)", "text[1:3]"))
        }
    (folder / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
    return f"exit code {pada('validate', 'recipe.yaml')}"


def _delimited(delimiter: str) -> Callable[[Random], bytes]:
    def make(random: Random) -> bytes:
        lines = ["text,kind,length", *(f"{r['text']},{r['kind']},{r['length']}" for r in _ROWS)]
        text = "\n".join(lines).replace(",", delimiter)
        if random.random() < 0.2:
            return mutated_bytes(
                text.encode(random.choice(("utf-8", "utf-16", "cp1252", "utf-32"))), random
            )
        return written(mutated_text(text, random))

    return make


def _lines(random: Random) -> bytes:
    rows = [mutated(row, random) if random.random() < 0.3 else row for row in _ROWS]
    if random.random() < 0.2:
        rows[0] = {**rows[0], random.choice(ODD_TEXTS): odd(random)}
    data = "".join(json.dumps(row) + "\n" for row in rows)
    if random.random() < 0.1:
        data = data.replace('"a"', "[" * 900 + "]" * 900, 1)
    if random.random() < 0.1:
        data = data.replace('"a"', "9" * 400, 1)
    if random.random() < 0.4:
        data = mutated_text(data, random)
    return (
        mutated_bytes(data.encode("utf-8", "surrogatepass"), random)
        if random.random() < 0.2
        else written(data)
    )


def _array(random: Random) -> bytes:
    tree = mutated(random.choice((_ROWS, {"rows": _ROWS}, {"data": {"train": _ROWS}})), random)
    text = json.dumps(tree)
    return written(mutated_text(text, random) if random.random() < 0.5 else text)


def _zipped(make: Callable[[Random], bytes]) -> Callable[[Random], bytes]:
    def zipped(random: Random) -> bytes:
        data = gzip.compress(make(random), mtime=0)
        return mutated_bytes(data, random) if random.random() < 0.5 else data

    return zipped


def _odd_columns() -> dict[str, Callable[[], Any]]:
    import pyarrow as pa

    n = len(_ROWS)
    moment = datetime.datetime(2024, 2, 29, 12, 0, tzinfo=datetime.UTC)
    return {
        "zone": lambda: pa.array([moment] * n, pa.timestamp("us", "Europe/Rome")),
        "no_zone": lambda: pa.array([0] * n, pa.timestamp("s", "Mars/Olympus")),
        "odd_zone": lambda: pa.array([0] * n, pa.timestamp("ns", "+99:99")),
        "offset": lambda: pa.array([0] * n, pa.timestamp("ms", "-03:30")),
        "far": lambda: pa.array([2**62] * n, pa.timestamp("s")),
        "before": lambda: pa.array([-(2**62)] * n, pa.timestamp("us")),
        "day": lambda: pa.array([2**31 - 1] * n, pa.date32()),
        "time": lambda: pa.array([1] * n, pa.time64("ns")),
        "duration": lambda: pa.array([2**62] * n, pa.duration("s")),
        "month": lambda: pa.array([(1, 2, 3)] * n, pa.month_day_nano_interval()),
        "decimal": lambda: pa.array([decimal.Decimal(10) ** 70] * n, pa.decimal256(76, 2)),
        "half": lambda: pa.array([1.5] * n, pa.float16()),
        "nan": lambda: pa.array([float("nan"), float("inf")] * (n // 2)),
        "big": lambda: pa.array([2**64 - 1] * n, pa.uint64()),
        "bytes": lambda: pa.array([b"\xff\x00"] * n),
        "view": lambda: pa.array(["x"] * n, pa.string_view()),
        "large": lambda: pa.array(["x"] * n, pa.large_string()),
        "fixed": lambda: pa.array([b"abcd"] * n, pa.binary(4)),
        "null": lambda: pa.nulls(n),
        "map": lambda: pa.array([[("a", 1), ("a", 2)]] * n, pa.map_(pa.string(), pa.int32())),
        "struct": lambda: pa.array([{"a": {"b": [1, None]}}] * n),
        "lists": lambda: pa.array([[[["x"]]]] * n),
        "fixed_list": lambda: pa.array([[1, 2]] * n, pa.list_(pa.int8(), 2)),
        "dictionary": lambda: pa.array(["x", "y"] * (n // 2)).dictionary_encode(),
        "invalid": lambda: pa.StringArray.from_buffers(
            n, pa.array(range(n + 1), pa.int32()).buffers()[1], pa.py_buffer(b"\xff" * n)
        ),
    }


def _table(random: Random) -> Any:
    import pyarrow as pa

    odd_columns = _odd_columns()
    columns: dict[str, Any] = {
        "text": pa.array([row["text"] for row in _ROWS]),
        "kind": pa.array([row["kind"] for row in _ROWS]),
    }
    for name in random.sample([*odd_columns], random.choice((1, 1, 2))):
        column = odd_columns[name]()
        columns[
            random.choice(
                (name, "kind", "text", random.choice(ODD_TEXTS).encode("utf-8", "replace").decode())
            )
        ] = column
    table = pa.table(columns)
    if random.random() < 0.4:
        features = {name: {"dtype": "string", "_type": "Value"} for name in columns}
        info = {
            "info": {"features": {**features, "kind": {"names": ["a", "b"], "_type": "ClassLabel"}}}
        }
        text = (
            json.dumps(mutated(info, random))
            if random.random() < 0.7
            else mutated_text(json.dumps(info), random)
        )
        metadata = {"huggingface": written(text), random.choice(("pandas", "x")): b"{}"}
        table = table.replace_schema_metadata(metadata)
    return table


def _parquet(random: Random) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    table = _table(random)
    try:
        pq.write_table(table, out, compression=random.choice(("none", "snappy", "zstd")))
    except Exception:  # what Arrow does not write is not to be read
        plain = {name: [row[name] for row in _ROWS] for name in ("text", "kind")}
        pq.write_table(pa.table(plain), out)
    data = out.getvalue()
    return mutated_bytes(data, random) if random.random() < 0.35 else data


def _workbook(random: Random) -> bytes:
    import zipfile

    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["text", "kind", "length"])
    for row in _ROWS:
        values = [row["text"], row["kind"], row["length"]]
        if random.random() < 0.3:
            values[random.randrange(3)] = random.choice(
                (
                    "#REF!",
                    "=1+1",
                    1e308,
                    True,
                    None,
                    datetime.date(1900, 1, 1),
                    datetime.time(1),
                    "x" * 3000,
                    "  ",
                )
            )
        sheet.append(values)
    out = io.BytesIO()
    book.save(out)
    data = out.getvalue()
    way = random.random()
    if way < 0.25:
        return mutated_bytes(data, random)
    if way < 0.75:
        again = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(again, "w") as new:
            names = old.namelist()
            chosen = random.choice(names)
            for name in names:
                inner = old.read(name)
                if name == chosen:
                    if random.random() < 0.15:
                        continue
                    inner = (
                        written(mutated_text(inner.decode(), random))
                        if random.random() < 0.7
                        else mutated_bytes(inner, random)
                    )
                new.writestr(name, inner)
        return again.getvalue()
    return data


def _garbage(random: Random) -> bytes:
    return random.choice(
        (
            b"",
            b"\0" * 64,
            b"PAR1",
            b"PK\x03\x04",
            b"\x1f\x8b",
            b"ARROW1\0\0",
            b"{",
            b"\xef\xbb\xbf",
            random.randbytes(99),
        )
    )


_FORMATS: list[tuple[str, Callable[[Random], bytes]]] = [
    (".csv", _delimited(",")),
    (".tsv", _delimited("\t")),
    (".csv", _delimited(";")),
    (".jsonl", _lines),
    (".jsonl", _lines),
    (".json", _array),
    (".parquet", _parquet),
    (".parquet", _parquet),
    (".parquet", _parquet),
    (".xlsx", _workbook),
    (".xlsx", _workbook),
    (".csv.gz", _zipped(_delimited(","))),
    (".jsonl.gz", _zipped(_lines)),
    (".csv", _garbage),
    (".jsonl", _garbage),
    (".json", _garbage),
    (".parquet", _garbage),
    (".xlsx", _garbage),
    (".jsonl.gz", _garbage),
]
