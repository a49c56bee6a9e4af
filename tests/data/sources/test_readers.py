"""Formats: JSON arrays, compressed files, patterns over several files; mistakes at their line."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.data.reading import read_source
from engine.data.records import Choice, Record
from engine.data.sources import json_values
from engine.data.sources.origins import resolve_path
from engine.data.sources.readers import READERS, ending
from engine.errors import RecipeError

ROWS: list[dict[str, Any]] = [{"a": "é", "n": {"x": [1]}}, {"a": "b\n", "n": None}]


def records(path: Path | str, base: Path | None = None, **options: Any) -> list[Record]:
    """Return the rows that a recipe beside the file, or in `base`, reads."""
    folder = Path(path).parent if base is None else base
    return read_source(resolve_path(str(path), folder), Choice(**options)).records


def complaint(path: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        records(path)
    return "; ".join(f"{p.where.line}:{p.where.column} {p.message}" for p in caught.value.problems)


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("block", [1, 7, 1 << 18])
def test_json_arrays_give_the_line_on_which_a_row_starts(
    indent: int | None, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_values, "_BLOCK", block)
    text = json.dumps(ROWS, indent=indent, ensure_ascii=False)
    (tmp_path / "a.json").write_text(f"\ufeff\n{text}\n", encoding="utf-8")
    found = records(tmp_path / "a.json")
    assert [record.values for record in found] == ROWS
    starts = [2, 2] if indent is None else [3, 11]
    assert [record.line for record in found] == starts


def test_json_may_be_objects_one_after_the_other(tmp_path: Path) -> None:
    text = "\n".join(json.dumps(row, indent=1) for row in ROWS)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert [record.values for record in records(tmp_path / "a.json")] == ROWS


@pytest.mark.parametrize("block", [3, 1 << 18])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"a": 1},\n {"a": }]', "2:8 this is not valid JSON: Expecting value"),
        ('[{"a": 1}\n {"a": 2}]', "2:2 a ',' or the list's ']' is missing here"),
        ('[{"a": 1},\n{"a": 2}', "2:9 a ',' or the list's ']' is missing here"),
        ('[{"a": 1}]\nx', "2:1 there is more after the list's end"),
        ('[{"a":\n"x', "2:1 this is not valid JSON: Unterminated string starting at"),
        ('[\n{"a": NaN}]', "2:1 this is not valid JSON: NaN is not JSON"),
        ('[\n{"a": 1e999}]', "2:1 this is not valid JSON: 1e999 is larger than any number"),
        (
            "[\n" + "[" * 20000 + "]" * 20000 + "]",
            "2:1 lists and objects lie too deep in one another",
        ),
        ('[\n{"a": 1, "a": 2}]', "2:1 this is not valid JSON: the key 'a' is given twice"),
        ('[\n{"a": "\\ud800"}]', "2:1 half of a surrogate pair is not text"),
        (
            "[\n1, [2]]",
            "2:1 this is JSON, but not an object (the first of 2 such rows: 2, 2)",
        ),
    ],
)
def test_mistakes_in_json_are_placed(
    text: str, said: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_values, "_BLOCK", block)
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert said in complaint(tmp_path / "a.json")


def test_json_that_is_not_utf8_is_placed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'[{"a": "x"},\n{"a": "\xe9"}]')
    assert complaint(tmp_path / "a.json").startswith("2:8 this is not UTF-8: the byte 0xe9")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        ('{"a": {"b": "x: y", "b": 2}}', "the key 'b' is given twice"),
        ('{"a": "x", "a" : "y:"}', "the key 'a' is given twice"),
        ("[" * 200 + "]" * 200, "nested too deeply: more than 100 levels"),
        ('{"a": NaN}', "unexpected character"),
        ('{"a": "\\ud800"}', "no low surrogate in string"),
    ],
)
def test_lines_are_read_as_strictly_as_lists(line: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"a": 1}}\n{line}\n', encoding="utf-8")
    assert f"this is not valid JSON: {message}" in complaint(tmp_path / "a.jsonl")
    (tmp_path / "a.json").write_text(f'{{"a": 1}}\n{line}\n', encoding="utf-8")
    complaint(tmp_path / "a.json")


def test_lines_and_lists_hold_the_same_values(tmp_path: Path) -> None:
    row = {"id": 12345678901234567890123, "n": -(2**64), "x": 0.1, "y": 1.0, "text": "a: b"}
    for name in ("a.jsonl", "a.json"):
        (tmp_path / name).write_text(json.dumps(row), encoding="utf-8")
        (record,) = records(tmp_path / name)
        assert repr(record.values) == repr(row), name


def test_json_is_read_a_block_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "_BLOCK", 1000)
    stream = io.BytesIO(b"[" + b",".join([b'{"a": "x"}'] * 10_000) + b"]")
    values = json_values.read_values(stream)
    for _ in range(10):
        next(values)
    assert stream.tell() < 5000


TEXT = b'{"a": "x"}\n{"a": "y"}\n'


def packed(folder: Path, name: str, content: bytes = TEXT) -> Path:
    file = folder / name
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(content))
    else:
        with pa.output_stream(str(file), compression="zstd") as stream:
            stream.write(content)
    return file


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.json.gz", "a.json.zst"])
def test_compressed_files_read_like_others(name: str, tmp_path: Path) -> None:
    file = packed(tmp_path, name)
    assert [record.values["a"] for record in records(file)] == ["x", "y"]
    assert [record.line for record in records("a", tmp_path)] == [1, 2]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
def test_compressed_files_that_end_early_are_named(name: str, tmp_path: Path) -> None:
    file = packed(tmp_path, name, b"".join(b'{"a": "%d"}\n' % n for n in range(50_000)))
    file.write_bytes(file.read_bytes()[:-200])
    assert complaint(file).startswith("0:0 ")


def test_a_compressed_parquet_file_is_none() -> None:
    assert ending(Path("a.parquet.gz")) not in READERS
    assert ending(Path("a.csv.zst")) == ".csv"


def parts(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(["b.jsonl", "a.jsonl", "sub/c.jsonl"]):
        (folder / name).write_text(f'\n{{"a": "{number}"}}\n', encoding="utf-8")
    (folder / "LICENSE").write_text("no data", encoding="utf-8")


def test_patterns_take_files_by_name_and_rows_keep_theirs(tmp_path: Path) -> None:
    parts(tmp_path)
    found = records("*.jsonl", tmp_path)
    assert [(r.file, r.line, r.values["a"]) for r in found] == [
        ("a.jsonl", 2, "1"),
        ("b.jsonl", 2, "0"),
    ]
    assert [r.file for r in records("**/*", tmp_path)] == ["a.jsonl", "b.jsonl", "sub/c.jsonl"]


def test_the_folders_own_name_is_no_pattern(tmp_path: Path) -> None:
    parts(tmp_path / "[1] *")
    assert len(records("*.jsonl", tmp_path / "[1] *")) == 2
    (tmp_path / "a[1].jsonl").write_text('{"a": 1}', encoding="utf-8")
    assert len(records("a[1].jsonl", tmp_path)) == 1


def test_a_mistake_in_one_of_several_files_names_that_file(tmp_path: Path) -> None:
    parts(tmp_path)
    (tmp_path / "b.jsonl").write_text('{"a": "x"}\nx\n', encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        records("*.jsonl", tmp_path)
    assert str(caught.value.problems[0].where) == f"{tmp_path}/b.jsonl:2:1"


def test_the_digest_of_several_files_goes_by_order_and_bytes(tmp_path: Path) -> None:
    parts(tmp_path)
    place = resolve_path("*.jsonl", tmp_path)
    before = place.digest()
    assert resolve_path("*.jsonl", tmp_path).digest() == before
    (tmp_path / "b.jsonl").rename(tmp_path / "c.jsonl")
    assert resolve_path("*.jsonl", tmp_path).digest() == before
    (tmp_path / "a.jsonl").rename(tmp_path / "d.jsonl")
    assert resolve_path("*.jsonl", tmp_path).digest() != before


@pytest.mark.parametrize(
    ("path", "said"),
    [("*.csv", "no data file fits"), ("no/*.csv", "folder does not exist"), ("LIC*", "known endings")],
)  # fmt: skip
def test_patterns_that_fit_nothing_say_so(path: str, said: str, tmp_path: Path) -> None:
    parts(tmp_path)
    with pytest.raises(RecipeError, match=said):
        resolve_path(path, tmp_path)


def test_a_csv_quote_that_is_never_closed_is_found_where_its_row_starts(tmp_path: Path) -> None:
    rows = "x,y\n" * 50
    (tmp_path / "a.csv").write_text(f'a,b\n{rows}"x,y\n{rows}', encoding="utf-8")
    assert complaint(tmp_path / "a.csv").startswith("52:1 this is not valid CSV")
