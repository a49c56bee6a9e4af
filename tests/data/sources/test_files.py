"""Data files to rows: formats, exact complaints, filters and stable samples."""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import Any

import pytest

from engine.data.reading import read_source
from engine.data.records import Choice
from engine.data.rules import row_check
from engine.data.sources.hub import Address, Hub, parse_address
from engine.data.sources.origins import resolve_path
from engine.errors import RecipeError
from engine.spec.recipe import Sample


def write(folder: Path, name: str, content: bytes | str) -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def rows_of(
    path: Path | str, sample: dict[str, Any] | None = None, **options: Any
) -> list[tuple[int, dict[str, Any]]]:
    choice = Choice(sample=Sample(**sample) if sample else None, **options)
    found = read_source(resolve_path(str(path), Path(path).parent), choice)
    return [(record.line, record.values) for record in found.records]


def complaints(file: Path, columns: tuple[str, ...] = ()) -> list[str]:
    check = row_check(columns, columns[0], labelled=False) if columns else None
    with pytest.raises(RecipeError) as caught:
        read_source(resolve_path(str(file), file.parent), check=check, columns=columns)
    return [f"{p.where.line}:{p.where.column} {p.message}" for p in caught.value.problems]


def test_jsonl_keeps_lines_and_types(tmp_path: Path) -> None:
    file = write(
        tmp_path, "a.jsonl", '\ufeff{"a": "é", "n": 1}\r\n\n{"a": null, "x": [1, {"y": 2}]}'
    )
    assert rows_of(file) == [(1, {"a": "é", "n": 1}), (3, {"a": None, "x": [1, {"y": 2}]})]


def test_csv_and_tsv_keep_lines(tmp_path: Path) -> None:
    csv = write(tmp_path, "a.csv", 'a,b\n"x\ny","1,2"\n\nz,\n')
    assert rows_of(csv) == [(2, {"a": "x\ny", "b": "1,2"}), (5, {"a": "z", "b": ""})]
    tsv = write(tmp_path, "a.tsv", "a\tb\nx\t1,2\n")
    assert rows_of(tsv) == [(2, {"a": "x", "b": "1,2"})]


def test_parquet_gives_json_values(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"a": "x", "d": datetime.date(2020, 1, 2), "b": b"\x00", "f": float("nan"), "l": [1]}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    expected = {"a": "x", "d": "2020-01-02", "b": "AA==", "f": None, "l": [1]}
    assert rows_of(tmp_path / "a.parquet") == [(1, expected)]


def test_every_bad_row_is_named(tmp_path: Path) -> None:
    content = b'{"a": 1}\n{"a":\n[1]\n{"a": "\xe9"}\n{"b": 2}\n{"a": null}\n{"a": NaN}\n'
    assert complaints(write(tmp_path, "a.jsonl", content), ("a",)) == [
        "2:1 this is not valid JSON: unexpected end of data",
        "3:1 this is JSON, but not an object",
        "4:8 this is not UTF-8: the byte 0xe9 does not belong here",
        "5:1 this row has no column 'a'",
        "6:1 the column 'a' has no value",
        "7:7 this is not valid JSON: unexpected character, expected a JSON value",
    ]


def test_equal_faults_are_told_once_and_reading_stops_after_ten_others(tmp_path: Path) -> None:
    [said, end] = complaints(write(tmp_path, "a.jsonl", "x\n" * 2000))
    assert said.endswith("(the first of 1,000 such rows: 1, 2, 3, 4, 5, …)")
    assert end.endswith("reading stops after 1,000 bad rows")
    [said] = complaints(write(tmp_path, "b.jsonl", "[]\n" * 3))
    assert said == "1:1 this is JSON, but not an object (the first of 3 such rows: 1, 2, 3)"
    rows = "".join(f'{{"k{n}": 1, "k{n}": 2}}\n' for n in range(30))
    said_each = complaints(write(tmp_path, "c.jsonl", rows))
    assert len(said_each) == 11
    assert said_each[-1].endswith("reading stops after 10 bad rows")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,b,a\n1,2,3\n", "1:1 two columns are called 'a'"),
        ("a,\n1,2\n", "1:1 column 2 has no name"),
        ('a,b\n"x\ny",1\n1\n', "4:1 this row has 1 field, the header has 2"),
        ('a,b\n1,"2\n', "2:1 this is not valid CSV: unexpected end of data"),
    ],
)
def test_bad_csv_is_placed(content: str, said: str, tmp_path: Path) -> None:
    assert said in complaints(write(tmp_path, "a.csv", content))


def test_broken_parquet_is_an_error_of_the_file(tmp_path: Path) -> None:
    [said] = complaints(write(tmp_path, "a.parquet", "nope"))
    assert "not a readable Parquet file" in said


def test_rows_of_parquet_that_python_cannot_hold_are_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = pa.array([b"a", b"b", b"\xff", b"c"], pa.binary()).view(pa.string())
    days = pa.array([0, 2**62, 0, 0], pa.timestamp("us"))
    pq.write_table(pa.table({"word": words, "day": days}), tmp_path / "a.parquet")
    said = complaints(tmp_path / "a.parquet")
    assert [text[:3] for text in said] == ["2:1", "3:1"]
    assert all("cannot be read" in text for text in said)
    found = read_source(resolve_path("a.parquet", tmp_path), drop=True)
    assert [(r.line, r.values["word"]) for r in found.records] == [(1, "a"), (4, "c")]
    assert [bad.line for bad in found.bad] == [2, 3]


def test_damage_inside_a_parquet_file_and_columns_of_one_name_are_named(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "a.parquet"
    rows = pa.table({"a": [str(n) for n in range(20000)]})
    pq.write_table(rows, file, row_group_size=10000, compression="none", use_dictionary=False)
    content = bytearray(file.read_bytes())
    start = pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    content[start : start + 40] = b"\xff" * 40
    [said] = complaints(write(tmp_path, "b.parquet", bytes(content)))
    assert "this is not a readable Parquet file" in said
    assert 4096 < int(said.partition(":")[0]) <= 10001
    columns = [pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, names=["a", "a"]), file)
    assert complaints(file) == ["1:1 two columns are called 'a'"]


def test_the_ending_may_be_left_out_when_one_file_fits(tmp_path: Path) -> None:
    file = write(tmp_path, "a.jsonl", '{"a": 1}\n')
    assert resolve_path("a", tmp_path).files == resolve_path("a.jsonl", tmp_path).files == (file,)
    write(tmp_path, "a.csv", "a\n1\n")
    with pytest.raises(RecipeError, match=r"more than one file fits: a\.jsonl, a\.csv"):
        resolve_path("a", tmp_path)


@pytest.mark.parametrize(
    ("path", "said"),
    [("b.jsnl", "did you mean 'b.jsonl'"), ("no/b", "folder does not exist"), (".", "is a folder"),
     ("/", "lies outside"),     ("b.txt", "ending '.txt' cannot be read"), ("x" * 300, "path cannot be used")],
)  # fmt: skip
def test_what_is_not_there_is_said(path: str, said: str, tmp_path: Path) -> None:
    write(tmp_path, "b.jsonl", "")
    write(tmp_path, "b.txt", "")
    with pytest.raises(RecipeError, match=said):
        resolve_path(path, tmp_path)


def labelled(tmp_path: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    import orjson

    return write(tmp_path, name, b"".join(orjson.dumps(row) + b"\n" for row in rows))


ROWS = [{"text": f"row {i}", "label": "abc"[i % 3]} for i in range(60)]


def test_where_and_sample_per_value(tmp_path: Path) -> None:
    file = labelled(tmp_path, "a.jsonl", ROWS)
    found = rows_of(file, where="label <> 'c'", sample={"n": 4, "per": "label", "seed": 0})
    assert [values["label"] for _, values in found].count("a") == 4
    assert {values["label"] for _, values in found} == {"a", "b"}
    assert [line for line, _ in found] == sorted(line for line, _ in found)
    assert all(values == ROWS[line - 1] for line, values in found)


def test_a_sample_depends_on_the_seed_and_not_on_the_order_of_rows(tmp_path: Path) -> None:
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    files = [labelled(tmp_path, "a.jsonl", ROWS), labelled(tmp_path, "b.jsonl", shuffled)]

    def drawn(file: Path, seed: int) -> set[str]:
        return {row["text"] for _, row in rows_of(file, sample={"n": 10, "seed": seed})}

    assert drawn(files[0], 1) == drawn(files[1], 1) == drawn(files[0], 1)
    assert drawn(files[0], 1) != drawn(files[0], 2)
    assert len(drawn(files[0], 1)) == 10


def test_a_sample_may_be_larger_than_the_data_and_draws_copies_once(tmp_path: Path) -> None:
    file = labelled(tmp_path, "a.jsonl", [ROWS[0], *ROWS[:5], ROWS[4]])
    assert [line for line, _ in rows_of(file, sample={"n": 9})] == [1, 3, 4, 5, 6]
    assert len(rows_of(file, sample={"n": 3})) == 3


def test_sampling_by_an_unknown_column_is_an_error(tmp_path: Path) -> None:
    file = labelled(tmp_path, "a.jsonl", ROWS)
    with pytest.raises(RecipeError, match="no column 'lable' to sample by"):
        rows_of(file, sample={"n": 1, "per": "lable"})


@pytest.fixture
def _hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hub, "reachable", lambda _: None)


@pytest.mark.usefixtures("_hub")
def test_a_data_sets_digest_is_of_its_rows_because_a_branch_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import datasets

    def digest_of(texts: list[str]) -> str:
        rows = datasets.Dataset.from_dict({"text": texts})
        monkeypatch.setattr(datasets, "load_dataset", lambda *_args, **_options: rows)
        return resolve_path("hf://o/n@main/c/train", Path()).digest()

    assert digest_of(["a", "b"]) == digest_of(["a", "b"])
    assert digest_of(["a", "b"]) != digest_of(["a", "c"])


def test_a_files_digest_is_of_its_bytes(tmp_path: Path) -> None:
    file = write(tmp_path, "a.jsonl", '{"a": 1}\n')
    place = resolve_path("a.jsonl", tmp_path)
    before = place.digest()
    assert resolve_path(str(file), file.parent).digest() == before
    file.write_text('{"a": 2}\n', encoding="utf-8")
    assert place.digest() != before


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("hf://o/n@r/c/s", Address("o/n", "r", "c", "s")),
        ("hf://o/n/s", Address("o/n", None, None, "s")),
        ("hf://o/n/c/s", Address("o/n", None, "c", "s")),
    ],
)
def test_addresses(path: str, parts: Address) -> None:
    assert parse_address(path) == parts


@pytest.mark.parametrize("path", ["hf://", "hf://o/n", "hf://o//s", "hf://o/n/c/s/t"])
def test_incomplete_addresses(path: str) -> None:
    with pytest.raises(RecipeError, match="not complete"):
        resolve_path(path, Path())


@pytest.mark.usefixtures("_hub")
def test_data_sets_decode_class_names(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    asked: dict[str, Any] = {}

    def load_dataset(*args: Any, **options: Any) -> Any:
        asked.update(options, args=args)
        return rows

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    found = rows_of("hf://o/n@r/c/train", where="label = 'yes'")
    assert found == [(1, {"text": "a", "label": "yes"})]
    assert asked == {"args": ("o/n", "c"), "split": "train", "revision": "r"}


@pytest.mark.usefixtures("_hub")
def test_a_data_set_that_cannot_be_reached_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def load_dataset(*args: Any, **options: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(RecipeError, match=r"hf://o/n/train: error: .*no route"):
        rows_of("hf://o/n/train")
