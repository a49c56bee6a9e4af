"""Files as people have them: other delimiters, encodings, endings and programs; what is detected is said."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from engine.data.reading import read_source
from engine.data.records import Choice, Record
from engine.data.sources.origins import notes_of, resolve_path
from engine.errors import RecipeError
from engine.spec.recipe import Format
from tests.data.sources.test_files import write

ROWS = [{"text": "hello, world", "label": "a"}, {"text": "bye", "label": "b"}]


def rows(file: Path, **form: Any) -> list[dict[str, Any]]:
    origin = resolve_path(file.name, file.parent, form=Format(**form))
    return [record.values for record in read_source(origin, Choice()).records]


def notes(file: Path, **form: Any) -> list[str]:
    found = notes_of(resolve_path(file.name, file.parent, form=Format(**form)))
    assert all(note.level == "warning" and note.hint for note in found)
    return [note.message for note in found]


def complaints(file: Path, **form: Any) -> list[tuple[int, str, str]]:
    with pytest.raises(RecipeError) as caught:
        rows(file, **form)
    return [(p.where.line, p.message, p.hint) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("a.csv", "text;label\nhello, world;a\nbye;b\n", "';'"),
        ("b.csv", '"text"|"label"\n"hello, world"|a\nbye|b\n', "'|'"),
        ("c.csv", "text\tlabel\nhello, world\ta\nbye\tb\n", "a tab"),
        ("d.tsv", 'text,label\n"hello, world",a\nbye,b\n', "','"),
        ("e.csv", "sep=;\r\ntext;label\r\nhello, world;a\r\nbye;b\r\n", "';'"),
    ],
)
def test_what_parts_the_fields_is_detected_and_said(
    name: str, content: str, shown: str, tmp_path: Path
) -> None:
    file = write(tmp_path, name, content)
    assert rows(file) == ROWS
    [said] = notes(file)
    assert said.startswith(f"fields are separated by {shown} here")
    delimiter = {"a tab": "\t"}.get(shown, shown[1])
    assert rows(file, delimiter=delimiter) == ROWS
    assert notes(file, delimiter=delimiter) == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text\nhello; world\na,b\n", None),
        ("text; remark\nhello\nbye\n", [{"text; remark": "hello"}, {"text; remark": "bye"}]),
        ('text,label; or none\n"a; b",x\nc;d,y\n', [("a; b", "x"), ("c;d", "y")]),
        ("id;text;price, EUR\n1;a, b, c;2,5\n2;d;3,0\n", [("1", "a, b, c", "2,5"), ("2", "d", "3,0")]),
    ],
)  # fmt: skip
def test_a_delimiter_is_one_only_where_the_rows_agree(
    content: str, expected: list[Any] | None, tmp_path: Path
) -> None:
    file = write(tmp_path, "a.csv", content)
    if expected is None:
        assert complaints(file)[0][:2] == (3, "this row has 2 fields, the header has 1")
        return
    found = rows(file)
    assert found == expected or [tuple(row.values()) for row in found] == expected


@pytest.mark.parametrize(
    ("content", "line", "hint"),
    [
        ("a;b\n1;2\n3;4;5\n6;7\n", 3, "put quotes around a field that contains ';'"),
        ("a;b;c\n1;2;3\n3;4\n6;7;8\n", 3, "a field is missing"),
        ("a;b\n1;2\n3,4\n6;7\n", 3, "its fields are separated by ',': write ';' as in the header"),
    ],
)
def test_hints_name_the_cause(content: str, line: int, hint: str, tmp_path: Path) -> None:
    [(found, _, said)] = complaints(write(tmp_path, "a.csv", content))
    assert found == line
    assert said.startswith(hint)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("compressed", [False, True])
def test_encodings_are_detected_and_said(encoding: str, compressed: bool, tmp_path: Path) -> None:
    content = "text;label\r\nhé, façade – 5 €;gut\r\nfür dich;süß\r\n".encode(encoding)
    name, content = ("a.csv.gz", gzip.compress(content)) if compressed else ("a.csv", content)
    file = write(tmp_path, name, content)
    expected = [{"text": "hé, façade – 5 €", "label": "gut"}, {"text": "für dich", "label": "süß"}]
    assert rows(file) == rows(file, encoding=encoding) == expected
    assert notes(file)[0] == f"this is not UTF-8: it is read as {encoding}"
    assert len(notes(file, encoding=encoding)) == 1


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig"])
def test_json_of_windows_is_read(name: str, encoding: str, tmp_path: Path) -> None:
    lines = "".join(
        json.dumps(row, ensure_ascii=False) + "\r\n" for row in [{"a": "é"}, {"a": "ü"}]
    )
    file = write(tmp_path, name, lines.encode(encoding))
    assert rows(file) == [{"a": "é"}, {"a": "ü"}]
    assert len(notes(file)) == (encoding != "utf-8-sig")


@pytest.mark.parametrize(
    "content",
    [
        # Damage in UTF-8, Cyrillic, and bytes that no Western text of Windows has.
        "text,label\nschön,a\n".encode() + b"b\xe9se,b\n",
        "text,label\nпривет мир,a\n".encode("cp1251"),
        b"text,label\nx\x81y,a\n",
        # Letters that stand alone: Polish of Windows, Norwegian of DOS, French of the Macintosh.
        "text,label\nzażółć gęślą jaźń,a\n".encode("cp1250"),
        "text,label\nsøk på nett,a\n".encode("cp850"),
        "text,label\nune idée,a\n".encode("mac_roman"),
    ],
)
def test_what_may_be_anything_is_not_guessed(content: bytes, tmp_path: Path) -> None:
    [(_, message, hint)] = complaints(write(tmp_path, "a.csv", content))
    assert message.startswith("this is not UTF-8: the byte 0x")
    assert "format: {encoding:" in hint
    assert notes(tmp_path / "a.csv") == []


def test_an_encoding_that_the_recipe_says_is_kept_to(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "text,label\nпривет,a\n".encode("cp1251"))
    assert rows(file, encoding="cp1251") == [{"text": "привет", "label": "a"}]
    assert "is not ascii" in complaints(file, encoding="ascii")[0][1]
    damaged = write(tmp_path, "b.csv", "a,b\n1,2\n".encode("utf-16") + b"\x00")
    assert "this is not utf-16" in complaints(damaged)[0][1]


def test_endings_are_read_in_any_case(tmp_path: Path) -> None:
    file = write(tmp_path, "train.CSV", "a,b\n1,2\n")
    assert rows(file) == [{"a": "1", "b": "2"}]
    assert resolve_path("train", tmp_path).files == resolve_path("*.CSV", tmp_path).files == (file,)
    assert rows(write(tmp_path, "b.Jsonl.GZ", gzip.compress(b'{"a": 1}\n'))) == [{"a": 1}]


def test_a_file_without_a_header_and_with_decimal_commas(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "0,5;1.234,56;7, 8;1.2\n-3;1.000;x;2.5.\n")
    assert rows(file, header=False, decimal=",", delimiter=";") == [
        {"column0": "0.5", "column1": "1234.56", "column2": "7, 8", "column3": "1.2"},
        {"column0": "-3", "column1": "1000", "column2": "x", "column3": "2.5."},
    ]


def test_the_index_of_pandas_is_left_out_and_said(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", ',text,label\n0,"hello, world",a\n1,bye,b\n')
    assert rows(file) == ROWS
    assert notes(file) == [
        "the first column has no name and holds whole numbers, as pandas' index does: it is left out"
    ]
    late = write(tmp_path, "c.csv", ",text\n" + "1,x\n" * 300 + "a,b\n")
    assert complaints(late)[0][0] == 302
    named = write(tmp_path, "b.csv", ",text\nx,1\n")
    assert complaints(named)[0][:2] == (1, "column 1 has no name")


def test_columns_without_name_and_value_at_the_end_are_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "text;label;;\nhello, world;a;;\nbye;b;;\n")
    assert rows(file) == ROWS
    lines = "text;label;\n" + "x;a;\n" * 300 + "y;b;c\n"
    [(line, message, _)] = complaints(write(tmp_path, "b.csv", lines))
    assert (line, message) == (302, "this row has 3 fields, the header has 2")


@pytest.mark.parametrize(
    ("row", "many"), [('""', "1 field"), ("y;;;", "4 fields"), (";", "2 fields")]
)
def test_a_short_row_beside_empty_columns_is_placed(row: str, many: str, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "a;b;c;;\n" + "1;2;3;;\n" * 200 + row + "\n4;5;6\n")
    [(line, message, _)] = complaints(file)
    assert (line, message) == (202, f"this row has {many}, the header has 3")


def test_a_field_of_several_lines_at_the_end_of_the_sample_is_no_row(tmp_path: Path) -> None:
    lines = ["a;b;", *["1;2;"] * 198, '1;"two\nlines";', "3;4;"]
    found = rows(write(tmp_path, "a.csv", "\n".join(lines) + "\n"))
    assert found[-2:] == [{"a": "1", "b": "two\nlines"}, {"a": "3", "b": "4"}]


def workbook(file: Path, *sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, cells in enumerate(sheets, start=1):
        sheet = book.create_sheet(f"sheet {number}")
        for row in cells:
            sheet.append(row)
    book.save(file)
    return file


def test_excel_files_are_read(tmp_path: Path) -> None:
    import datetime

    day = datetime.date(2026, 3, 1)
    file = workbook(
        tmp_path / "a.xlsx",
        [["text", "n", "day"], ["é", 5, day], [None, None, None], ["x", 0.5, None], ["y"]],
        [["a"], ["other"]],
    )
    assert rows(file) == [
        {"text": "é", "n": 5, "day": "2026-03-01T00:00:00"},
        {"text": "x", "n": 0.5, "day": None},
        {"text": "y", "n": None, "day": None},
    ]
    [said] = notes(file)
    assert said == "this has 2 sheets: the first, 'sheet 1', is read, not 'sheet 2'"
    assert rows(file, sheet=2) == rows(file, sheet="sheet 2") == [{"a": "other"}]
    assert notes(file, sheet=1) == []
    assert rows(file, sheet=2, header=False) == [{"column0": "a"}, {"column0": "other"}]
    assert complaints(file, sheet="shet 2")[0][2] == "did you mean 'sheet 2'?"


def test_what_is_wrong_in_an_excel_file_is_placed(tmp_path: Path) -> None:
    file = workbook(tmp_path / "a.xlsx", [["a", "b"], [1, "#N/A"], [1, 2, 3], ["#tag", 4]])
    assert [said[:2] for said in complaints(file)] == [
        (2, "the cell of 'b' shows the error #N/A"),
        (3, "this row has a value in column 3, the header has 2"),
    ]
    assert complaints(write(tmp_path, "b.xlsx", "nope"))[0][1].startswith("this is not a readable")
    indexed = workbook(tmp_path / "c.xlsx", [[None, "a"], [0, "x"], [1, "y"]])
    assert rows(indexed) == [{"a": "x"}, {"a": "y"}]
    assert notes(indexed) == [
        "the first column has no name and holds whole numbers, as pandas' index does: it is left out"
    ]
    named = workbook(tmp_path / "d.xlsx", [[None, "a"], ["first", "x"]])
    assert "holds whole numbers but here" in complaints(named)[0][1]


TITLED: list[list[Any]] = [
    ["FAQ of Veloria"], [], ["Question", "Answer", "Area"],
    ["How long is the warranty?", "5 years", "Service"], ["What does it weigh?", "22.9 kg", "Bikes"],
]  # fmt: skip
SAID = "line 1 looks like a title, and line 3 like the names of the columns ('Question', 'Answer', 'Area')"


def titled(folder: Path, name: str) -> Path:
    if name.endswith(".xlsx"):
        return workbook(folder / name, TITLED)
    width = 3 if name == "padded.csv" else 0
    lines = [";".join([*row, *[""] * (width - len(row))]) for row in TITLED]
    return write(folder, name, "\n".join(lines) + "\n")


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv", "padded.csv", "a.tsv"])
def test_lines_above_the_names_of_the_columns_are_found_and_said(name: str, tmp_path: Path) -> None:
    file = titled(tmp_path, name)
    assert SAID in notes(file)
    assert not any("title" in note for note in notes(file, header=3))
    found = rows(file, header=3)
    assert [list(row) for row in found] == [TITLED[2]] * 2
    assert found[0]["Answer"] == "5 years"
    bare = read_source(resolve_path(name, tmp_path, form=Format(header=False)), drop=True)
    assert list(bare.records[-1].values) == ["column0", "column1", "column2"]


def test_a_table_without_a_title_has_none(tmp_path: Path) -> None:
    plain = workbook(tmp_path / "a.xlsx", [["a", "b"], ["x", "y"], ["z", None], ["u", "v"]])
    assert notes(plain) == []
    single = workbook(tmp_path / "b.xlsx", [["text"], ["x"], ["y", "a remark"], ["z"], ["u"]])
    assert notes(single) == []
    [(_, _, hint)] = complaints(single)
    assert hint.endswith("the header that was read is line 1: 'text'")
    for content in ("text\nhello, world\nbye\nc\n", "a,b\n1,2\n", "text\na; b; c\nd; e\nf\n"):
        assert not any("title" in note for note in notes(write(tmp_path, "c.csv", content)))


def test_hints_name_the_header_that_was_read_and_the_one_that_looks_it(tmp_path: Path) -> None:
    line, message, hint = complaints(titled(tmp_path, "a.xlsx"))[0]
    assert line == 3
    assert message.startswith("this row has a value in column 3, the header has 1 (the first of 3")
    assert SAID in hint
    assert "`format: {header: 3}`" in hint
    assert SAID in complaints(titled(tmp_path, "padded.csv"))[0][2]


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_a_line_of_names_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    file = titled(tmp_path, name)
    [(line, message, hint)] = complaints(file, header=2)
    assert (line, message) == (
        2,
        "line 2 is empty, and format.header says that it names the columns",
    )
    assert "line 3" in hint
    [(_, message, _)] = complaints(file, header=30)
    assert message == "there is no line 30, which format.header says names the columns"


def test_class_names_in_a_parquet_file_are_read(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    data = {"text": ["a", "b", "c"], "label": [1, 0, None]}
    datasets.Dataset.from_dict(data, features=features).to_parquet(tmp_path / "a.parquet")
    assert [row["label"] for row in rows(tmp_path / "a.parquet")] == ["yes", "no", None]


def test_the_index_of_pandas_is_no_column_of_a_parquet_file(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": ["a"], "n": [{"x": 1}], "__index_level_0__": [7]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert rows(tmp_path / "a.parquet") == [{"text": "a", "n": {"x": 1}}]


def test_text_that_a_parquet_file_has_as_bytes_is_text(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.array(["é".encode(), None, b"b"] * 2000 + [b"\xff"], pa.binary())
    blob = pa.array([b"a", None, b"\x00"] * 2000 + [b"\xff"], pa.binary())
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": text, "blob": blob}), file)
    found = read_source(resolve_path("a.parquet", tmp_path), drop=True)
    assert [r.values["text"] for r in found.records[:3]] == ["é", None, "b"]
    assert [r.values["blob"] for r in found.records[:3]] == ["YQ==", None, "AA=="]
    assert [(bad.line, "not text here" in bad.fault.message) for bad in found.bad] == [(6001, True)]
    assert notes(file) == ["the column 'text' has bytes that are text: it is read that way"]


@pytest.mark.parametrize(
    ("name", "form", "message"),
    [
        ("a.jsonl", {"sheet": 1}, "format.sheet says nothing of a file with the ending '.jsonl'"),
        ("a.csv", {"sheet": 1}, "format.sheet says nothing of a file with the ending '.csv'"),
        ("a.xlsx", {"encoding": "ascii"}, "format.encoding says nothing of a file with the ending '.xlsx'"),
    ],
)  # fmt: skip
def test_a_setting_that_says_nothing_is_refused(
    name: str, form: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write(tmp_path, name, "")
    with pytest.raises(RecipeError, match=message):
        resolve_path(name, tmp_path, form=Format(**form))


@pytest.mark.parametrize(
    "form",
    [{"delimiter": '"'}, {"encoding": "utf-99"}, {"encoding": "hex"}, {"sheet": 0}, {"header": 0}],
)
def test_a_format_that_cannot_be_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"quote|not an encoding|count from 1"):
        Format(**form)


GERMAN = "Größe;Anliegen\n" + "".join(f"0,0{n};Frage\n" for n in range(9))


@pytest.mark.parametrize(
    ("form", "cause"),
    [
        ({"encoding": "utf-8"}, "this is not UTF-8"),
        ({"encoding": "ascii", "delimiter": ";"}, "this is not ascii"),
        ({"encoding": "utf-16"}, "this is not utf-16"),
        ({"encoding": "cp1252", "delimiter": "|"}, "fields are separated by ';' here, not by '|'"),
    ],
)
def test_a_wrong_format_is_told_alone_and_no_row_is_taken_for_the_names(
    form: dict[str, str], cause: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(GERMAN.encode("cp1252"))
    origin = resolve_path("t.csv", tmp_path, form=Format.model_validate(form))
    with pytest.raises(RecipeError) as refused:
        read_source(origin, Choice(columns={"label": "upper(Anliegen)"}))
    assert cause in refused.value.problems[0].message
    assert len(refused.value.problems) == 1
    assert "choose one of" not in str(refused.value)


def test_a_title_that_is_no_text_is_no_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xdcbersicht\na,b\n1,2\n")
    form = Format.model_validate({"encoding": "utf-8", "header": 2})
    rows = [
        row for row in resolve_path("t.csv", tmp_path, form=form).rows() if isinstance(row, Record)
    ]
    assert [row.values for row in rows] == [{"a": "1", "b": "2"}]
