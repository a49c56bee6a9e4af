"""Columns made and renamed, rows chosen, bad rows named or left out: over rows that come in batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.data import reading
from engine.data.reading import SettingError, read_source
from engine.data.records import Choice, Reading
from engine.data.rules import row_check
from engine.data.sources.origins import resolve_path
from engine.errors import RecipeError
from engine.spec.recipe import Sample

SQUAD: list[dict[str, Any]] = [
    {
        "id": str(n),
        "context": f"The answer is {n}.",
        "answers": {"text": [str(n)] * (n % 3), "answer_start": [14] * (n % 3)},
        "options": ["a", f"b{n}"],
    }
    for n in range(9)
]


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BATCH", 4)


def read(folder: Path, rows: list[dict[str, Any]], *, drop: bool = False, inputs: tuple[str, ...] = (),
         target: str = "", labelled: bool = False, **choice: Any) -> Reading:  # fmt: skip
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    check = row_check(inputs, target, labelled) if inputs else None
    columns = [*inputs, target] if inputs else []
    return read_source(resolve_path("a.jsonl", folder), Choice(**choice), check, columns, drop=drop)


def values(found: Reading, column: str) -> list[Any]:
    return [record.values[column] for record in found.records]


def test_nested_values_survive_into_derived_columns(tmp_path: Path) -> None:
    columns = {
        "answer": "coalesce(answers.text[1], 'none')",
        "shown": "array_to_string(options, ' / ')",
        "half": "id::int * 0.5",
        "nested": "{'n': id::int, 'l': options}",
    }
    found = read(tmp_path, SQUAD, columns=columns, inputs=("context",), target="answer")
    assert values(found, "answer") == [str(n) if n % 3 else "none" for n in range(9)]
    assert values(found, "shown")[3] == "a / b3"
    assert values(found, "half") == [n * 0.5 for n in range(9)]
    assert values(found, "nested")[2] == {"n": 2, "l": ["a", "b2"]}
    assert values(found, "answers")[1] == {"text": ["1"], "answer_start": [14]}


def test_rename_columns_where_sample_and_limit_follow_one_another(tmp_path: Path) -> None:
    found = read(
        tmp_path, SQUAD, inputs=("text",), target="number",
        rename={"text": "context", "context": "id"}, columns={"number": "context::int + 1"},
        where="number > 3", sample=Sample(n=4, seed=1), limit=3,
    )  # fmt: skip
    assert len(found.records) == 3
    assert all(value > 3 for value in values(found, "number"))
    assert values(found, "number") == [record.line for record in found.records]
    assert "id" not in found.records[0].values


def test_a_derived_column_may_take_the_place_of_its_source(tmp_path: Path) -> None:
    found = read(tmp_path, [{"label": True}, {"label": False}], columns={"label": "label::varchar"})
    assert values(found, "label") == ["true", "false"]


def test_limit_stops_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": "x"}\n' * 7 + "broken\n" + '{"a": "x"}\n' * 7, encoding="utf-8")
    place = resolve_path("a.jsonl", tmp_path)
    for limit in (1, 3, 4, 5, 7):
        found = read_source(place, Choice(limit=limit, where="a = 'x'"))
        assert [record.line for record in found.records] == list(range(1, limit + 1))
    for limit in (8, 30):
        with pytest.raises(RecipeError, match=r"a\.jsonl:8:1"):
            read_source(place, Choice(limit=limit))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"a": "x"}\n' * 3 + "broken\n" * 20),
        ("a.csv", "a\n" + "x\n" * 3 + '"never closed\n'),
        ("a.json", '[{"a": "x"}, {"a": "x"}, {"a": "x"}, {"a": }]'),
    ],
)
def test_what_ends_the_reading_behind_the_limit_is_no_mistake(
    name: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    place = resolve_path(name, tmp_path)
    for where in (None, "a = 'x'"):
        assert len(read_source(place, Choice(limit=3, where=where)).records) == 3
        with pytest.raises(RecipeError, match="is not valid"):
            read_source(place, Choice(limit=4, where=where))


@pytest.mark.parametrize(
    ("choice", "key", "said"),
    [
        ({"columns": {"x": "answrs.text[1]"}}, ("columns", "x"), "no column 'answrs'"),
        ({"columns": {"x": "count(*)"}}, ("columns", "x"), "aggregate 'count"),
        ({"columns": {"x": "nope(id)"}}, ("columns", "x"), "no function 'nope'"),
        ({"columns": {"x": "answers.txt"}}, ("columns", "x"), "txt"),
        ({"columns": {"x": "id +"}}, ("columns", "x"), "not valid SQL"),
        ({"columns": {"x": "date '2020-13-01'"}}, ("columns", "x"), "out of range"),
        ({"columns": {"x": "random()"}}, ("columns", "x"), "'random' is not allowed"),
        ({"where": "length(id)"}, ("where",), "not true or false"),
        ({"where": "idd > 3"}, ("where",), "did you mean 'id'"),
        ({"rename": {"text": "contxt"}}, ("rename", "text"), "no row has a column 'contxt'"),
        ({"rename": {"id": "context"}}, ("rename", "id"), "has a column 'id' already"),
        ({"sample": Sample(n=1, per="idd")}, ("sample", "per"), "no column 'idd' to sample by"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told_by_its_name(
    choice: dict[str, Any], key: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError) as caught:
        read(tmp_path, SQUAD, **choice)
    assert caught.value.key == key
    assert said in f"{caught.value.fault.message} {caught.value.fault.hint}"


def test_a_column_that_needs_quotes_is_told_though_its_sql_is_none(tmp_path: Path) -> None:
    rows = [{"value (€)": "1", "order no": "x"}]
    for choice, name in (
        ({"where": "value (€) > 1"}, "value (€)"),
        ({"columns": {"n": "order no || 'x'"}}, "order no"),
        ({"rename": {"the total": "order no"}, "where": "the total = 'x'"}, "the total"),
    ):
        with pytest.raises(SettingError) as caught:
            read(tmp_path, rows, **choice)
        assert f'write the column as "{name}"' in caught.value.fault.hint


def test_a_column_of_two_types_names_the_way_out_and_is_told_once(tmp_path: Path) -> None:
    rows = [{"q": "a", "n": "1"}] + [{"q": "b", "n": 2}] * 12
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, rows, where="n is not null")
    [problem] = caught.value.problems
    assert "`where` cannot be tried here" in problem.message
    assert "(the first of 12 such rows: 2, 3, 4, 5, 6, …)" in problem.message
    assert "`on_bad_row: drop`" in problem.hint


def test_columns_that_differ_in_case_only_cannot_be_told_apart(tmp_path: Path) -> None:
    rows = [{"Text": "a", "text": "b"}]
    with pytest.raises(SettingError, match="'Text' and 'text' differ in case only"):
        read(tmp_path, rows, where="text = 'b'")
    found = read(tmp_path, rows, rename={"body": "Text"}, where="text = 'b'")
    assert values(found, "body") == ["a"]


def test_columns_that_start_late_are_no_mistake(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"a": n} for n in range(6)] + [{"a": 6, "late": {"x": "y"}}]
    found = read(
        tmp_path, rows, columns={"b": "coalesce(late.x, 'no')"}, where="late is null or a = 6"
    )
    assert values(found, "b") == ["no"] * 6 + ["y"]


BAD: list[Any] = [
    {"n": "1", "text": "a", "y": "p"},
    {"n": "two", "text": "b", "y": "p"},
    {"n": "3", "text": None, "y": "p"},
    {"n": "4", "text": ["d"], "y": "p"},
    {"n": "5", "text": "e", "y": " "},
    {"n": "6", "text": "f"},
    {"n": 7, "text": "g", "y": "p"},
    {"n": "8", "text": "h", "y": "p"},
]
SAID = [
    "2: the column 'm' cannot be made here: this SQL does not work: Could not convert string 'two'",
    "3: the column 'text' has no value",
    "4: the input 'text' must be text, not a list",
    "5: the column 'y' is blank",
    "6: this row has no column 'y'",
    "7: the column 'm' cannot be made here: the column 'n' holds a number here and text in earlier rows",
]


def test_every_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, BAD, columns={"m": "n::int"}, inputs=("text",), target="y")
    found = [f"{p.where.line}: {p.message}" for p in caught.value.problems]
    assert len(found) == len(SAID)
    assert all(text.startswith(said) for text, said in zip(found, SAID, strict=True)), found
    assert all(problem.hint for problem in caught.value.problems[1:])


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path, BAD * 3, columns={"m": "n::int"}, inputs=("text",), target="y", drop=True
    )
    assert values(found, "m") == [1, 8] * 3
    assert len(found.bad) == 18
    assert [bad.line for bad in found.bad] == sorted(bad.line for bad in found.bad)


def test_rows_that_where_leaves_out_need_no_values(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "a", "y": "p"},
        {"text": None, "y": None},
        {"text": "b", "y": "q"},
    ]
    found = read(tmp_path, rows, where="y is not null", inputs=("text",), target="y")
    assert values(found, "text") == ["a", "b"]


def test_lists_of_unlike_values_are_bad_rows_for_sql(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"o": ["a"]}, {"o": [1]}, {"o": "a"}, {"o": ["b"]}]
    found = read(tmp_path, rows, columns={"x": "o[1]"}, drop=True)
    assert values(found, "x") == ["a", "b"]
    assert [bad.line for bad in found.bad] == [2, 3]


def test_many_unlike_values_and_values_that_fail_are_bad_rows_each(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"o": {"x": n if n % 2 else f"text {n}"}, "n": f"{n}" if n % 2 else "none"}
        for n in range(1, 401)
    ]
    for made in ("o.x", "n::int"):
        found = read(tmp_path, rows, columns={"made": made}, drop=True)
        assert values(found, "made") == list(range(1, 401, 2))
        assert [bad.line for bad in found.bad] == list(range(2, 401, 2))


def test_numbers_that_sql_cannot_hold_are_bad_rows_where_it_is_asked(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"n": 2**64 - 1}, {"n": 2}, {"n": -5}]
    assert len(read(tmp_path, rows).records) == 3
    found = read(tmp_path, rows, columns={"more": "n + 1"}, drop=True)
    assert values(found, "more") == [3, -4]
    assert "too large for SQL" in found.bad[0].fault.message


def test_a_target_may_be_a_list_of_acceptable_answers_where_labels_are_free(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"q": "a", "y": ["x", "y"]}, {"q": "b", "y": "z"}]
    found = read(tmp_path, rows, inputs=("q",), target="y")
    assert values(found, "y") == [["x", "y"], "z"]
    with pytest.raises(RecipeError, match="must be text, not a list"):
        read(tmp_path, rows, inputs=("q",), target="y", labelled=True)
    with pytest.raises(RecipeError, match="is an empty list"):
        read(tmp_path, [{"q": "a", "y": []}], inputs=("q",), target="y")


def test_types_are_known_with_the_first_row_of_each(tmp_path: Path) -> None:
    types = read(tmp_path, [{"a": "x"}, {"a": None, "b": [1]}, {"a": 1.5}]).types
    assert types.described("a") == "text or number"
    assert types.described("b") == "list"
    assert types.first["a"]["number"].line == 3
    assert (types.empty("a"), types.empty("b"), types.rows) == (1, 2, 3)
