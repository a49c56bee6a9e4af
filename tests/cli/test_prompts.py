"""`pada show prompt` as people read it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from engine.cli import main
from engine.cli.prompts import show_prompt
from engine.errors import EngineError
from engine.operators.finding import FOLDER
from tests.e2e.scripted_project import write_project
from tests.operators.writing import write_operator

OPERATORS = "{name: paraphrase}, {name: shorten}"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    recipe = write_project(tmp_path / "project", OPERATORS=OPERATORS)
    write_operator(recipe.parent / FOLDER)
    return recipe


def shown(
    recipe: Path,
    capsys: pytest.CaptureFixture[str],
    stage: str,
    operator: str | None = None,
    schema: bool = False,
) -> str:
    state = recipe.parent / "state"
    show_prompt(str(recipe), [], state, None, stage, operator, with_schema=schema)
    return capsys.readouterr().out


def test_it_says_what_is_shown_and_where_it_comes_from(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(recipe, capsys, "diagnose").splitlines()
    assert lines[0] == "what seed-0/round-0/diagnose would ask; nothing is sent"
    assert lines[1] == "stand-ins, made of training rows: the student's answers"
    assert lines[2] == "teacher: teacher (scripted), pack small"
    assert lines[3].startswith("file: ")
    assert lines[3].endswith("prompts/small/diagnose.md")
    assert re.fullmatch(r"\d+ requests with it; the first has [\d,]+ characters,", lines[4])
    assert re.fullmatch(r"  about [\d,]+ tokens \(an estimate, 4 characters a token\);", lines[5])
    assert re.fullmatch(r"  its reply has at most [\d,]+ tokens", lines[6])
    assert [line for line in lines if line in ("[[system]]", "[[user]]")][:2] == [
        "[[system]]",
        "[[user]]",
    ]
    assert "schema of the reply" not in lines
    # What the engine says of it fits a terminal; the turns are as they are.
    assert all(len(line) <= 80 for line in (*lines[:3], *lines[4:7]))


def test_the_schema_comes_on_request(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(recipe, capsys, "diagnose", schema=True)
    schema = json.loads(text.split("schema of the reply:\n")[1])
    assert "root_cause" in schema["properties"]


def test_one_operator_or_all(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = shown(recipe, capsys, "generate")
    assert "=== prompt 1 of 2" in both
    assert "paraphrase/small.md" in both
    assert "shorten/small.md" in both
    one = shown(recipe, capsys, "generate", "shorten")
    assert "paraphrase/small.md" not in one
    assert "===" not in one
    with pytest.raises(EngineError, match=r"'paraphras' is asked for nothing.*\n.*'paraphrase'"):
        shown(recipe, capsys, "generate", "paraphras")
    with pytest.raises(EngineError, match="the stage 'judge' has no operators"):
        shown(recipe, capsys, "judge", "paraphrase")


def test_a_recipe_without_failures_says_what_is_missing(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = recipe.read_text("utf-8").replace("failure: accuracy < 1", "failure: accuracy > 2")
    recipe.write_text(text, "utf-8")
    with pytest.raises(EngineError, match="the stage 'diagnose' would ask nothing"):
        shown(recipe, capsys, "diagnose")


def test_it_is_a_command(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["pada", "show", "prompt", "strategy", "--recipe", str(recipe), "--state", "nowhere"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert "[[user]]" in capsys.readouterr().out


def test_with_the_number_of_a_training_row_it_is_about_that_row(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [json.loads(line) for line in (recipe.parent / "train.jsonl").read_text().splitlines()]
    for stage in ("predict", "diagnose"):
        show_prompt(
            str(recipe), [], recipe.parent / "state", None, stage, None, with_schema=True, row=11
        )
        said = capsys.readouterr().out
        assert rows[10]["text"] in said
        assert "the one with this row has" in said
    with pytest.raises(EngineError, match="no training row 25") as wrong:
        show_prompt(
            str(recipe),
            [],
            recipe.parent / "state",
            None,
            "diagnose",
            None,
            with_schema=False,
            row=25,
        )
    assert "from 1 to 24" in wrong.value.hint


def test_how_the_student_is_asked_is_shown_as_well(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = shown(recipe, capsys, "predict")
    assert said.startswith("what untuned/predict would ask; nothing is sent\nstudent: ")
    assert ", pack " not in said
