"""What `pada init` cannot make a recipe of: one clear message, exit code 2, nothing written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.authoring.start import placing
from engine.errors import EngineError
from tests.authoring.trials import LABELLED, csv, init, jsonl, there, write

IDS = csv([f"hello there {n} you,ID-{n}" for n in range(400)])
ONE = csv([f"text {n},only" for n in range(40)])
ROWS = {"a.csv": csv(LABELLED)}
NOWHERE = [f"message number {n},{'xz'[n % 2]}" for n in range(40)]
ASKED = jsonl([{"messages": [{"role": "user", "content": f"Is {n} here?"}]} for n in range(40)])


@pytest.mark.parametrize(
    ("files", "arguments", "message", "remedy"),
    [
        ({}, (), "pada init needs data to look at", "pada init tickets.csv"),
        ({"a.csv": csv([f"text {n}" for n in range(40)], "text")}, ("a.csv",), "has one column, 'text'", "--pool"),
        ({"a.csv": IDS}, ("a.csv",), "Which column has the right answer?", "label (different in each row)"),
        ({"a.csv": IDS}, ("a.csv", "--target", "label", "--task", "classification"), "400 different values", "--task"),
        ({"a.csv": ""}, ("a.csv",), "a.csv: this has no rows", "first line names the columns"),
        ({"a.csv": "text,label\n"}, ("a.csv",), "a.csv: this has no rows", "with a row below it"),
        ({"a.csv": csv(LABELLED[:12])}, ("a.csv",), "12 different rows are too few", "at least 30 are needed"),
        ({"a.csv": ONE}, ("a.csv", "--target", "label"), "every row has 'only'", "--target"),
        ({"a.jsonl": ASKED}, ("a.jsonl",), "none of 40 conversations ends on the assistant", "last turn"),
        ({"b.csv": csv(LABELLED)}, ("a.csv",), "there is no such file", "b.csv"),
        ({"d/a.csv": csv(LABELLED)}, ("d",), "d: this is a folder", "name a file in it"),
        ({"d/a.txt": "x"}, ("d",), "it has no data files", ".xlsx"),
        ({"a.txt": "x"}, ("a.txt",), "'.txt' cannot be read", "convert it"),
        ({"a.xlsx": b"PK\x03\x04"}, ("a.xlsx",), "not a readable Excel file", "save it again"),
        ({"a.json": "[{"}, ("a.json",), "this is not valid JSON", "check"),
        ({"a.csv": csv(LABELLED), "recipe.yaml": "mine"}, ("a.csv",), "recipe.yaml is there already", "--to FOLDER"),
        ({"a.csv": csv(LABELLED), "out": "mine"}, ("a.csv", "--to", "out"), "out is a file, not a folder", "--to"),
        ({"a.csv": csv(LABELLED), "b.csv": csv(LABELLED)}, ("a.csv", "b.csv"), "its name does not say", "--train FILE"),
        ({"test.csv": csv(LABELLED)}, ("--test", "test.csv"), "no file has the training rows", "--train"),
        (
            {"train.csv": csv(LABELLED), "test.csv": csv(["a", "b"], "text")}, ("train.csv", "test.csv"),
            "test.csv has no column 'label'", "--pool test.csv",
        ),
        (
            {"train.csv": csv(LABELLED), "test.csv": csv(LABELLED, "Text,label")}, ("train.csv", "test.csv"),
            "test.csv has no column 'text'", "the same names",
        ),
        ({"train.csv": csv(LABELLED)}, ("train.csv", "--train", "train.csv"), "two files for train", "once"),
        (ROWS, ("a.csv", "--task", "classifikation"), "no task kind", "'classification'"),
        (ROWS, ("a.csv", "--task", "chat"), "no column holds conversations", "messages"),
        (ROWS, ("a.csv", "--task", "structured"), "does not hold JSON objects", "--task"),
        ({"a.csv": csv(NOWHERE)}, ("a.csv", "--task", "extraction"), "do not stand word for word", "--task generation"),
        (ROWS, ("a.csv", "--target", "lable"), "no column 'lable'", "did you mean 'label'?"),
        (ROWS, ("a.csv", "--target", "label", "--input", "label"), "cannot see it", "--input"),
        (ROWS, ("a.csv", "--teacher", "gpt"), "--teacher gpt: there is none", "openai"),
        (ROWS, ("a.csv", "--teacher", "openai"), "Which model", "--model"),
        (ROWS, ("a.csv", "--model", "m"), "--model says nothing", "--teacher"),
        (ROWS, ("a.csv", "--format", "encodin=x"), "--format encodin=x: no setting", "encoding"),
        (ROWS, ("a.csv", "--format", "encoding=x"), "is not an encoding", "docs/data.md"),
        ({"a.csv": csv(LABELLED, "a,a")}, ("a.csv",), "two columns are called 'a'", "a name of its own"),
        ({"a.csv": csv([*["x"] * 30, "a,b"])}, ("a.csv",), "this row has 1 field, the header has 2", ""),
        ({}, ("own/name",), "there is no such file or folder", "hf://own/name"),
        (ROWS, ("a.csv", "--from", "quickstart"), "--from copies a recipe as it is", "one of the two"),
        ({}, ("--from", "support-intents"), "there is no recipe 'support-intents'", "quickstart"),
        ({"quickstart/data/train.jsonl": "mine"}, ("--from", "quickstart"), "train.jsonl is there already", "--to"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_and_what_to_do_and_writes_nothing(
    tmp_path: Path,
    files: dict[str, str | bytes],
    arguments: Sequence[str],
    message: str,
    remedy: str,
) -> None:
    write(tmp_path, files)
    folders = {each for each in tmp_path.rglob("*") if each.is_dir()}
    done = init(tmp_path, *arguments, "--yes")
    said, _, hint = done.error.partition("\n")
    assert message in said
    assert remedy in hint
    assert done.new == []
    assert {each for each in tmp_path.rglob("*") if each.is_dir()} == folders
    assert {name: (tmp_path / name).read_bytes() for name in files} == {
        name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()
    }


def test_a_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": csv(LABELLED)})
    secret = "sk-abcdef0123456789abcdef"
    done = init(tmp_path, "a.csv", "--yes", "--teacher", "openai", "--model", "m", "--key", secret)
    assert "not the name of a variable" in done.error
    assert secret not in done.error + done.output
    assert done.new == []


def test_without_a_terminal_open_questions_are_told_with_their_flags(tmp_path: Path) -> None:
    rows = [f"review {n} of it,{n % 5 + 1}" for n in range(40)]
    write(tmp_path, {"my file.csv": csv(rows, "the review,stars given")})
    done = init(tmp_path, "my file.csv")
    flags = "--target 'stars given' --input 'the review' --task classification --teacher embedded"
    assert "4 questions are open" in done.error
    assert flags in done.error
    assert done.new == []
    words = (
        "--target",
        "stars given",
        "--input",
        "the review",
        "--task",
        "numeric",
        "--teacher",
        "embedded",
    )
    assert init(tmp_path, "my file.csv", *words).new == ["pada.yaml", "recipe.yaml"]


def test_a_folder_that_cannot_be_written_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a.csv": csv(LABELLED)})

    def refuse(part: Path, file: Path) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    # By the second file: what was written before is gone again.
    put = placing._put
    monkeypatch.setattr(
        placing,
        "_put",
        lambda part, file: (refuse if file.name == "recipe.yaml" else put)(part, file),
    )
    done = init(tmp_path, "a.csv", "--yes", "--to", "new/one")
    assert "new/one cannot be written: Permission denied" in done.error
    assert "--to" in done.error
    assert there(tmp_path) == {"a.csv"}
    assert not (tmp_path / "new").exists()


def test_what_somebody_else_writes_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "pada.yaml", tmp_path / "recipe.yaml"
    link = os.link

    def late(part: Path, file: Path) -> None:
        second.write_text("theirs")
        link(part, file)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(EngineError, match="is there already"):
        placing.write_all({first: "a", second: "b"})
    assert there(tmp_path) == {"recipe.yaml"}
    assert second.read_text() == "theirs"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My Tickets!", "my-tickets"), ("Größe", "grosse"), ("---", "recipe"), ("日本", "recipe"), ("a" * 80, "a" * 64),
        ("2026_data", "2026_data"), ("../x", "x"),
    ],
)  # fmt: skip
def test_a_text_is_made_a_name(text: str, name: str) -> None:
    assert placing.recipe_name(text) == name
