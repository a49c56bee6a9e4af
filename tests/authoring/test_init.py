"""What `pada init` makes of data: kind, columns, splits, format and labels; each recipe that is written validates."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from engine.authoring.start import splitting
from engine.cli.authoring.init_command import by_weight
from engine.errors import Location, Problem
from engine.registry import did_you_mean
from engine.spec.loader import load
from engine.spec.repository import project_file
from tests.authoring.trials import LABELLED, csv, init, jsonl, recipe, write


def test_a_semicolon_csv_of_windows_is_read_as_it_is_and_the_recipe_says_how(
    tmp_path: Path,
) -> None:
    spelled = ["Rückgabe", "rückgabe", "Störung", "Störung "]
    rows = [
        f"{n % 28 + 1:02}.03.2026;{7000 + n};Nachricht Nummer {n} über ein Gerät;{n},{n % 90 + 10};{spelled[n % 4]}"
        for n in range(60)
    ]
    text = csv(rows, "Datum;Kundennr;Nachricht;Bestellwert (€);Anliegen")
    write(tmp_path, {"Anfragen März.csv": text.encode("cp1252")})
    done = init(tmp_path, "Anfragen März.csv", "--yes")
    assert "60 rows, 5 columns; read as cp1252, separated by ';', decimal comma" in done.output
    assert "'Rückgabe' is also spelled 'rückgabe': read as one label" in done.output
    assert done.new == ["pada.yaml", "recipe.yaml"]
    assert done.last == "pada validate recipe.yaml"
    made = recipe(tmp_path)
    assert made.name == "anfragen-marz"
    assert made.task.prompt == "tasks/classification.md"
    assert made.version == "0.1.0"
    assert (made.task.kind, made.task.input, made.task.target) == (
        "classification",
        ["Nachricht"],
        "Anliegen",
    )
    assert made.task.labels == ["Rückgabe", "Störung"]
    assert made.task.fold_labels == ["case", "space"]
    form = made.data.train.format
    assert (form.delimiter, form.encoding, form.decimal) == (";", "cp1252", ",")
    assert made.data.test.split_from is not None
    found = project_file(tmp_path)
    assert found is not None
    assert found[1].version == "0.1.0"


def workbook(*sheets: tuple[str, list[list[Any]]]) -> bytes:
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.remove(book.active)
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(stream)
    return stream.getvalue()


def test_of_several_sheets_the_table_is_taken_below_its_title_with_options_in_columns(
    tmp_path: Path,
) -> None:
    rows = [
        [n, f"What is done with tool {n}?", f"keep {n}", f"drop {n}", f"sell {n}", "ABC"[n % 3]]
        for n in range(40)
    ]
    table: list[list[Any]] = [
        ["Safety course, state of March"],
        [],
        ["No", "Question", "A", "B", "C", "Right"],
        *rows,
    ]
    write(tmp_path, {"course.xlsx": workbook(("Read me", [["Ask Maria"]]), ("Questions", table))})
    done = init(tmp_path, "course.xlsx", "--yes")
    assert "read as sheet 'Questions', columns named in line 3" in done.output
    made = recipe(tmp_path)
    assert made.task.kind == "multiple_choice"
    assert made.task.input == ["Question", "options"]
    assert made.data.train.columns == {"options": '["A", "B", "C"]'}
    assert (made.data.train.format.sheet, made.data.train.format.header) == ("Questions", 3)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_chat_log_leaves_out_conversations_that_end_on_the_user(
    tmp_path: Path, as_text: bool
) -> None:
    def turns(n: int) -> list[dict[str, str]]:
        talk = [{"role": "user", "content": f"Is there a ship to island {n}?"}]
        talk.append(
            {
                "role": "assistant",
                "content": f"Yes, the ship to island {n} leaves in the late morning.",
            }
        )
        return [*talk, {"role": "user", "content": "And back?"}] if n % 9 == 0 else talk

    if as_text:
        quoted = [json.dumps(turns(n)).replace('"', '""') for n in range(60)]
        write(
            tmp_path,
            {"log.csv": csv([f'{n},"{text}"' for n, text in enumerate(quoted)], "id,messages")},
        )
    else:
        write(tmp_path, {"log.jsonl": jsonl([{"messages": turns(n)} for n in range(60)])})
    done = init(tmp_path, "log.csv" if as_text else "log.jsonl", "--yes")
    assert "7 conversations do not end on the assistant: they are left out" in done.output
    made = recipe(tmp_path)
    assert (made.task.kind, made.task.input) == ("chat", ["messages"])
    assert made.data.train.where
    assert made.failure == "rouge_l < 0.3"


COUNT = range(40)
LONG = "it is a long line of many words on the number {} and what it may mean"
KINDS: Sequence[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("classification", {}, [{"review": f"review {n} of it", "stars": n % 5 + 1} for n in COUNT]),
    ("classification", {}, [{"text": f"what is {n} like", "ok": n % 2 == 0} for n in COUNT]),
    ("classification", {"many": True},
     [{"text": f"this is {n} here", "tags": ["abc"[n % 3], "de"[n % 2]]} for n in COUNT]),
    ("classification", {"many": True},
     [{"text": f"this is {n} here", "tags": f"{'abc'[n % 3]}; {'de'[n % 2]}"} for n in COUNT]),
    ("numeric", {"max_tokens": 32}, [{"text": f"length of part {n} please", "metres": n * 1.25} for n in COUNT]),
    ("numeric", {"max_tokens": 256},
     [{"question": f"{n} and {n}?", "answer": f"{n}+{n}={2 * n}\n#### {2 * n}"} for n in COUNT]),
    ("extraction", {"context": "passage", "max_tokens": 48},
     [{"passage": f"Town {n} is at the Moor{n}.", "question": f"Where is {n}?", "answer": f"Moor{n}"} for n in COUNT]),
    ("multiple_choice", {"options": "choices"},
     [{"question": f"What is said of {n}?", "choices": [f"a {n}", f"b {n}"], "answer": "AB"[n % 2]} for n in COUNT]),
    ("generation", {"max_tokens": 128},
     [{"prompt": f"write a line on {n}", "response": LONG.format(n)} for n in COUNT]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "params", "rows"), KINDS, ids=[f"{k}-{n}" for n, (k, _, _) in enumerate(KINDS)]
)
def test_the_kind_of_task_follows_from_the_columns(
    tmp_path: Path, kind: str, params: dict[str, Any], rows: list[dict[str, Any]]
) -> None:
    write(tmp_path, {"rows.jsonl": jsonl(rows)})
    done = init(tmp_path, "rows.jsonl", "--yes")
    assert done.error == ""
    task = recipe(tmp_path).task
    assert (task.kind, task.params) == (kind, params)


def test_objects_get_a_schema_whose_texts_and_lists_are_bounded(tmp_path: Path) -> None:
    rows = [
        {"text": f"to {n}", "trip": {"to": f"town {n}", "days": n,
         "with": ["x"] * (n % 3), "by": None if n % 2 else "car"}}
        for n in range(40)
    ]  # fmt: skip
    write(tmp_path, {"rows.jsonl": jsonl(rows)})
    assert init(tmp_path, "rows.jsonl", "--yes").error == ""
    task = recipe(tmp_path).task
    assert task.kind == "structured"
    schema = task.params["json_schema"]
    assert schema["properties"]["to"] == {"type": "string", "maxLength": 40}
    assert schema["required"] == ["to", "days", "with", "by"]


def test_files_are_the_splits_of_their_names_and_others_are_taken_out_of_train(
    tmp_path: Path,
) -> None:
    other = [row.replace("thing", "stone") for row in LABELLED]
    write(tmp_path, {"data/train.csv": csv(LABELLED), "data/my-test.csv": csv(other)})
    assert init(tmp_path, "data/train.csv", "data/my-test.csv", "--yes").error == ""
    data = recipe(tmp_path).data
    assert (data.train.path, data.test.path) == ("data/train.csv", "data/my-test.csv")
    assert data.validation.split_from is not None
    done = init(tmp_path, "data", "--yes", "--to", "again", "--name", "Ärger & Co.")
    assert done.new == ["again/recipe.yaml"]
    made = recipe(tmp_path, "again/recipe.yaml")
    assert made.name == "arger-co"
    assert made.data.train.path == "../data/train.csv"


def test_a_pool_is_mined(tmp_path: Path) -> None:
    pool = csv([f"some other message {n}" for n in range(30)], "text")
    write(tmp_path, {"rows.csv": csv(LABELLED), "more.csv": pool})
    assert init(tmp_path, "rows.csv", "--pool", "more.csv", "--yes").error == ""
    made = recipe(tmp_path)
    assert made.augment.mine is not None
    assert made.data.pool is not None
    assert made.data.pool.path == "more.csv"


@pytest.mark.parametrize(
    "header",
    [
        "Te xt (a),Order",
        'select,"a ""b"""',
        "Text: x,label #1",
        "prediction,accuracy",
        "text,${x}",
        "Label,label",
    ],
)
def test_columns_may_be_called_anything(tmp_path: Path, header: str) -> None:
    rows = [*LABELLED, "message without an answer,"]
    write(tmp_path, {"rows.csv": csv(rows, header)})
    assert init(tmp_path, "rows.csv", "--yes").error == ""
    assert recipe(tmp_path).data.train.where


def test_columns_that_differ_in_case_alone_are_two(tmp_path: Path) -> None:
    rows = [f"hello number {n} here,{n} other words,{'ab'[n % 2]}" for n in range(40)]
    write(tmp_path, {"rows.csv": csv(rows, "Text,text,order")})
    assert init(tmp_path, "rows.csv", "--yes").error == ""
    assert recipe(tmp_path).task.input == ["Text", "text_column"]


def test_a_file_may_be_called_anything(tmp_path: Path) -> None:
    name = "C:\\my data\\a $${b} [1] 'x'.csv"
    write(tmp_path, {name: csv(LABELLED)})
    done = init(tmp_path, name, "--yes", "--to", "my recipes/new one")
    assert done.last == "pada validate 'my recipes/new one/recipe.yaml'"
    assert recipe(tmp_path, "my recipes/new one/recipe.yaml").data.train.path == f"../../{name}"


def test_data_outside_of_the_project_is_named_by_a_var(tmp_path: Path) -> None:
    write(
        tmp_path, {"far away/rows.csv": csv(LABELLED), "here/pada.yaml": "project: 1\nname: here\n"}
    )
    done = init(tmp_path / "here", "../far away/rows.csv", "--yes")
    assert "lies outside of" in done.output
    place = tmp_path / "far away" / "rows.csv"
    assert done.last == "pada validate recipe.yaml --var 'data=../far away/rows.csv'"
    assert load(tmp_path / "here/recipe.yaml", {"data": str(place)}).recipe.data.train.path == str(
        place
    )
    assert done.new == ["recipe.yaml"]


def test_rows_that_cannot_be_used_are_left_out_and_said(tmp_path: Path) -> None:
    write(tmp_path, {"rows.csv": csv([*LABELLED, "one,two,three"])})
    done = init(tmp_path, "rows.csv", "--yes")
    assert (
        "1 row cannot be used and is left out, the first at rows.csv:42:1: this row has 3 fields"
        in done.output
    )
    assert recipe(tmp_path).data.on_bad_row == "drop"


def test_a_column_id_that_repeats_tells_no_rows_apart(tmp_path: Path) -> None:
    rows = [f"{n % 7},{row}" for n, row in enumerate(LABELLED)]
    write(tmp_path, {"rows.csv": csv(rows, "id,text,label")})
    assert init(tmp_path, "rows.csv", "--yes").error == ""
    assert recipe(tmp_path).data.train.rename == {"id_column": "id"}


def test_a_table_without_a_header_is_seen_to_have_none(tmp_path: Path) -> None:
    write(tmp_path, {"rows.csv": "\n".join(LABELLED) + "\n"})
    done = init(tmp_path, "rows.csv", "--yes")
    assert "a table without a header" in done.output
    assert recipe(tmp_path).task.target == "column1"


def test_of_many_rows_some_are_trained_on_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"message number {n} about a thing,{'abcd'[n % 4]}" for n in range(120)]
    write(tmp_path, {"rows.csv": csv(rows)})
    monkeypatch.setattr(splitting, "_MOST_TRAINED", 40)
    assert init(tmp_path, "rows.csv", "--yes").error == ""
    data = recipe(tmp_path).data
    assert data.train.sample is not None
    assert (data.train.sample.n, data.train.sample.per) == (10, "label")
    assert data.test.split_from is not None
    assert data.test.split_from.share == 0.2


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("openai", "--address", "http://localhost:9/v1", "--model", "m"), {"base_url": "http://localhost:9/v1"}),
        (
            ("anthropic", "--model", "m", "--key", "MY_KEY"),
            {"base_url": "https://api.anthropic.com", "api_key": {"env": "MY_KEY"}},
        ),
        (("batch", "--model", "m"), {}),
    ],
)  # fmt: skip
def test_a_teacher_that_can_write_gets_operators_that_write(
    tmp_path: Path, flags: tuple[str, ...], expected: dict[str, Any]
) -> None:
    write(tmp_path, {"rows.csv": csv(LABELLED)})
    assert init(tmp_path, "rows.csv", "--yes", "--teacher", *flags).error == ""
    made = recipe(tmp_path)
    assert (made.models.teacher.backend, made.models.teacher.settings) == (flags[0], expected)
    assert made.augment.operators[0].name == "paraphrase"
    assert made.models.judge is None


def test_the_blocks_stand_in_the_order_of_the_reference(tmp_path: Path) -> None:
    write(tmp_path, {"rows.csv": csv(LABELLED)})
    init(tmp_path, "rows.csv", "--yes", "--teacher", "openai", "--model", "m")
    lines = (tmp_path / "recipe.yaml").read_text("utf-8").splitlines()
    keys = [line.partition(":")[0] for line in lines if line[:1].isalpha()]
    order = list(type(recipe(tmp_path)).model_fields)
    assert keys == sorted(keys, key=order.index)
    assert max(map(len, lines)) <= 120


def test_a_flag_at_the_end_is_not_the_answer_and_inputs_are_texts(tmp_path: Path) -> None:
    rows = [
        f"Subject {n} of it,I write about {n} today,{'abc'[n % 3]},{('yes', 'no')[n % 2]}"
        for n in range(60)
    ]
    write(tmp_path, {"a.csv": csv(rows, "Title,Message,Department,Done?")})
    assert init(tmp_path, "a.csv", "--yes", "--to", "one").error == ""
    assert recipe(tmp_path, "one/recipe.yaml").task.target == "Department"
    for number, flags in enumerate(
        (["--input", "Title,Message"], ["--input", "Title", "--input", "Message"])
    ):
        assert init(tmp_path, "a.csv", "--yes", "--to", f"n{number}", *flags).error == ""
        assert recipe(tmp_path, f"n{number}/recipe.yaml").task.input == ["Title", "Message"]


def test_too_few_rows_are_told_with_the_input(tmp_path: Path) -> None:
    rows = [f"{'abc'[n % 3]},I write about {n} today" for n in range(60)]
    write(tmp_path, {"a.csv": csv(rows, "Anliegen,Nachricht")})
    error = init(tmp_path, "a.csv", "--yes", "--target", "Nachricht").error
    assert "the model sees 'Anliegen'" in error
    assert "--input" in error


def test_one_row_without_a_value_is_told_as_one(tmp_path: Path) -> None:
    rows = [f"message number {n} about it,{'abc'[n % 3]}" for n in range(60)]
    write(tmp_path, {"a.csv": csv([*rows, ",a"])})
    assert "1 row has nothing in 'text': it is left out" in init(tmp_path, "a.csv", "--yes").output


def test_a_choice_that_is_there_twice_is_told_once() -> None:
    assert did_you_mean("x", ["Anliegen", "Anliegen"]) == "choose one of: Anliegen"


def test_what_changes_the_recipe_is_noted_before_what_does_not() -> None:
    codes = ["near-row", "repeated-row", "label-spelling", "near-row", "labels"]
    notes = [
        Problem(Location("a.csv", n), code, level="warning", code=code)
        for n, code in enumerate(codes, 1)
    ]
    shown = [note.code for note in by_weight(notes)]
    assert shown == ["label-spelling", "labels", "near-row", "repeated-row", "near-row"]


@pytest.mark.parametrize(
    ("said", "labels", "fold"),
    [
        ([], ["refund", "delivery"], ["case", "space"]),
        (["--fold-labels", "case"], ["refund", "refund ", "delivery"], ["case"]),
        (["--fold-labels", "none"], ["refund", "Refund", "refund ", "delivery"], []),
    ],
)
def test_which_spellings_are_one_label_can_be_said(
    tmp_path: Path, said: list[str], labels: list[str], fold: list[str]
) -> None:
    spelled = ["refund", "refund", "Refund", "refund ", "delivery"]
    lines = [{"text": f"words of row {n}", "label": spelled[n % 5]} for n in range(60)]
    write(tmp_path, {"rows.jsonl": jsonl(lines)})
    assert init(tmp_path, "rows.jsonl", "--yes", *said).error == ""
    made = recipe(tmp_path)
    assert made.task.fold_labels == fold
    assert sorted(made.task.labels or []) == sorted(labels)


def test_what_cannot_be_folded_is_named(tmp_path: Path) -> None:
    lines = [{"text": f"words of row {n}", "label": ["a", "A", "b"][n % 3]} for n in range(60)]
    write(tmp_path, {"rows.jsonl": jsonl(lines)})
    done = init(tmp_path, "rows.jsonl", "--yes", "--fold-labels", "colour")
    assert "--fold-labels colour: there is none" in done.error
    assert done.new == []
