"""`pada list operators`, `pada show operator` and `pada try operator` as people read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import main
from engine.cli.operators.showing import show_operator, try_operator
from engine.cli.recipes import show_list
from engine.errors import EngineError
from engine.operators.finding import FOLDER
from engine.project import Project
from tests.e2e.scripted_project import write_project
from tests.operators.writing import changed, write_operator

OPERATORS = "{name: paraphrase}, {name: shorten, params: {words: 7}}"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    recipe = write_project(tmp_path / "project", OPERATORS=OPERATORS)
    write_operator(recipe.parent / FOLDER)
    return recipe


def shown(
    capsys: pytest.CaptureFixture[str], name: str, recipe: Path | None = None, pack: str = "small"
) -> str:
    show_operator(name, None if recipe is None else str(recipe), [], Path("nowhere"), pack)
    return capsys.readouterr().out


def tried(capsys: pytest.CaptureFixture[str], name: str, recipe: Path, count: int = 3) -> str:
    try_operator(name, str(recipe), count, [], recipe.parent / "state")
    assert not (recipe.parent / "state").exists()
    return capsys.readouterr().out


def test_an_operator_of_the_engine_is_shown_without_a_recipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, "evolve")
    assert text.startswith(
        "evolve, version 1, from the engine\nA training row made harder or easier"
    )
    for line in (
        "  source: Evol-Instruct of WizardLM",
        "  target: as planned; where targets are no labels, its own",
        "  made by: the teacher",
        "  made from: a training row",
        "  may change: How hard the row is",
        "  must stay: The subject of the row",
        "  checked: it is not its seed row again, word by word",
        "    directions (texts; default [",
        "  before: {",
        "its prompt for the pack small, with this example; --recipe shows one with rows:",
        "[[system]]\nWrite new rows in JSON, each with its right target.",
    ):
        assert line in text


def test_one_that_asks_nobody_has_no_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "typos")
    assert "made by: the row function `typos`" in text
    assert text.endswith("no prompt: its rows are made by a program\n")


def test_with_a_recipe_the_prompt_shows_its_rows_also_of_an_operator_that_it_does_not_use(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = shown(capsys, "shorten", recipe)
    assert "from operators/shorten/ of the recipe" in own
    assert "no example: write `example` in its operator.yaml" in own
    assert "teacher: teacher (scripted), pack small" in own
    assert "plain ones of at most 7 words:" in own
    other = shown(capsys, "register_shift", recipe)
    assert "The same, " in other
    assert "register_shift/small.md" in other


def test_an_unknown_operator_and_one_for_another_kind_are_told(recipe: Path) -> None:
    with pytest.raises(EngineError, match=r"no operator 'typo'\n.*'typos'"):
        show_operator("typo", None, [], Path("nowhere"), "small")
    with pytest.raises(EngineError, match="'explain' is for the kinds numeric, and the task is"):
        show_operator("explain", str(recipe), [], Path("nowhere"), "small")


def test_a_try_asks_the_teacher_for_rows_and_says_what_the_checks_said(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tried(capsys, "paraphrase", recipe)
    assert text.startswith(
        "rows of 'paraphrase', by the teacher teacher (scripted) where it needs one:\n"
        "it was asked 3 times\nstand-ins, made of training rows: "
    )
    assert [text.count(f"\n{n}. seed: ") for n in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert text.count("   row:  {") == 3
    assert text.count("   passes the gates") + text.count("   rejected by ") == 3
    assert text.endswith("nothing was stored\n")


def test_a_try_of_a_program_asks_nobody(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tried(capsys, "case_noise", recipe, 2)
    assert "\nit was not asked\n" in text
    assert text.count("   passes the gates") == 2


def test_folders_that_a_recipe_names_are_listed(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (recipe.parent.parent / "pada.yaml").touch()
    shared = recipe.parent.parent / "shared"
    write_operator(shared, changed(("name: shorten", "name: lengthen")), name="lengthen")
    text = recipe.read_text("utf-8")
    text = text.replace("operators: [", "operator_folders: [../shared], operators: [")
    recipe.write_text(text, "utf-8")
    show_list("operators", str(recipe))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["shorten"].endswith(
        "(label: keep, that of the row it is made from; from operators/shorten/ of the recipe)"
    )
    assert lines["lengthen"].endswith("shared/lengthen)")
    assert lines["typos"].endswith(
        "(label: keep, that of the row it is made from, no model; from the engine)"
    )


def test_they_are_commands(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recipe.parent)
    for words, said in (
        ("show operator typos", "typos, version 1"),
        (f"try operator typos --recipe {recipe} -n 1", "nothing was stored"),
        ("list row-functions", "typos "),
    ):
        monkeypatch.setattr("sys.argv", ["pada", *words.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


def test_an_operator_is_tried_alone_also_where_rows_are_mined(tmp_path: Path) -> None:
    project = Project.open("quickstart", tmp_path / "state")
    assert project.loaded.recipe.augment.mine is not None
    augment = project.only("typos").loaded.recipe.augment
    assert augment.mine is None, "nothing would be left for it to write"
    assert [one.name for one in augment.operators] == ["typos"]
