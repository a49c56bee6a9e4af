"""What commands about recipes print for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from engine.cli.recipes import show_list, show_schema, show_validation
from engine.errors import EngineError, RecipeError
from engine.operators import find_operators
from engine.operators.finding import FOLDER
from engine.spec.method import find_methods
from engine.spec.package_data import shipped
from tests.operators.writing import changed, write_operator
from tests.plan.test_validate import GOOD, write_good


def test_problems_are_one_json_object_per_line_and_errors_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("wrong", "good"):
        (tmp_path / name).mkdir()
    recipe = write_good(tmp_path / "wrong", GOOD.replace("macro_f1", "macro_f2"))
    with pytest.raises(typer.Exit) as ended:
        show_validation(str(recipe), [], as_json=True)
    assert ended.value.exit_code == 2
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (wrong,) = [problem for problem in found if problem["level"] == "error"]
    assert (wrong["file"], wrong["code"]) == (str(recipe), "unknown-metric")
    assert wrong["line"] > 1
    assert "macro_f1" in wrong["hint"]
    show_validation(str(write_good(tmp_path / "good", GOOD)), [], as_json=True)
    said = capsys.readouterr().out.splitlines()
    assert {json.loads(line)["level"] for line in said} <= {"warning"}


def test_operators_are_listed_with_where_they_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_operator(tmp_path / FOLDER)
    recipe = write_good(tmp_path)
    show_list("operators")
    ours = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in ours] == sorted(find_operators(None))
    assert all(line.endswith("from the engine)") for line in ours)
    show_list("operators", str(recipe))
    both = capsys.readouterr().out.splitlines()
    (own,) = set(both) - set(ours)
    assert set(ours) < set(both)
    place = "label: keep, that of the row it is made from; from operators/shorten/ of the recipe"
    assert own == f"{'shorten':<24} Say it in fewer words; the label stays. ({place})"


def test_a_list_of_operators_with_a_mistake_in_one_says_where(tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER, changed(("version: 1", "version: 0")))
    with pytest.raises(RecipeError, match=r"operator.yaml:3:10: error: version must be at least 1"):
        show_list("operators", str(write_good(tmp_path)))


@pytest.mark.parametrize("what", ["recipe", "operator", "method", "taxonomy"])
def test_a_schema_is_printed_as_it_is_shipped(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_schema(what)
    written = (shipped("schemas") / f"{what}.schema.json").read_text("utf-8")
    assert capsys.readouterr().out == written


def test_what_has_no_schema_or_list_is_named_with_what_has_one() -> None:
    with pytest.raises(
        EngineError, match=r"there is no schema of 'methods'\n.*did you mean 'method'"
    ):
        show_schema("methods")
    with pytest.raises(
        EngineError, match=r"there is no list of 'method'\n.*did you mean 'methods'"
    ):
        show_list("method")


def test_methods_are_listed_with_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_good(tmp_path)
    own = tmp_path / "methods" / "mine.yaml"
    own.parent.mkdir()
    vanilla = shipped("recipes") / "methods" / "vanilla.yaml"
    own.write_text(vanilla.read_text("utf-8").replace("name: vanilla", "name: mine"), "utf-8")
    show_list("methods", str(recipe))
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert list(lines) == sorted([*find_methods(), "mine"])
    assert lines["mine"].endswith("(from methods/mine.yaml of the recipe)")
    assert lines["pada"].endswith("(from the engine)")
    show_list("methods")
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == sorted(find_methods())
