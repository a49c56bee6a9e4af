"""Where operators are found: the engine's, and those of a recipe's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.operators import find_operators, look_for_operators
from engine.operators.finding import FOLDER
from tests.operators.writing import OPERATOR, changed, write_operator

OURS = set(find_operators(None))


def complaints(base: Path) -> str:
    with pytest.raises(RecipeError) as caught:
        find_operators(base)
    return str(caught.value).replace(f"{base.as_posix()}/", "")


def test_the_engine_has_its_own(tmp_path: Path) -> None:
    for base in (None, tmp_path):
        operators = find_operators(base)
        assert set(operators) == OURS
        assert not any(operator.own for operator in operators.values())


def test_a_recipes_folder_adds_more(tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER)
    operators = find_operators(tmp_path)
    assert set(operators) == {*OURS, "shorten"}
    assert operators["shorten"].own
    assert operators["shorten"].folder == tmp_path / "operators" / "shorten"


def test_a_name_of_the_engine_is_taken(tmp_path: Path) -> None:
    text = changed(("name: shorten", "name: paraphrase"))
    write_operator(tmp_path / FOLDER, text, name="paraphrase")
    assert complaints(tmp_path) == (
        "operators/paraphrase/operator.yaml:2:7: error: the engine has an operator 'paraphrase' already\n"
        "    give this one and its folder another name"
    )


def test_no_operator_has_the_name_of_mined_rows(tmp_path: Path) -> None:
    write_operator(tmp_path / FOLDER, changed(("name: shorten", "name: mine")), name="mine")
    assert complaints(tmp_path) == (
        "operators/mine/operator.yaml:2:7: error: 'mine' is what rows that come from a pool are counted as\n"
        "    give the operator and its folder another name"
    )


def test_the_mistakes_of_all_are_told_and_the_others_are_found(tmp_path: Path) -> None:
    home = tmp_path / FOLDER
    write_operator(home, changed(("version: 1", "version: 0")))
    write_operator(home, changed(("name: shorten", "name: blank")), name="blank", prompt=None)
    write_operator(home, changed(("name: shorten", "name: good")), name="good")
    found = look_for_operators(tmp_path)
    assert [problem.message for problem in found.problems] == [
        "the operator has no prompt", "version must be at least 1, not 0",
    ]  # fmt: skip
    assert found.broken == {"shorten", "blank"}
    assert set(found.operators) == {*OURS, "good"}


def test_what_is_no_operator_is_left_alone_and_a_file_in_the_place_of_one_is_told(
    tmp_path: Path,
) -> None:
    home = tmp_path / FOLDER
    (home / ".git").mkdir(parents=True)
    (home / "__pycache__").mkdir()
    (home / "README.md").write_text("Ours.", "utf-8")
    assert set(find_operators(tmp_path)) == OURS
    (home / "shorten.yaml").write_text(OPERATOR, "utf-8")
    assert complaints(tmp_path) == (
        "operators/shorten.yaml: error: an operator is a folder, and this is a file\n"
        "    move it to operators/shorten/operator.yaml, and its prompt beside it"
    )


def test_links_out_of_the_recipes_folder_are_refused(tmp_path: Path) -> None:
    elsewhere = write_operator(tmp_path / "elsewhere")
    recipe = tmp_path / "recipe"
    (recipe / FOLDER).mkdir(parents=True)
    (recipe / FOLDER / "shorten").symlink_to(elsewhere)
    assert complaints(recipe) == (
        "operators/shorten: error: this is a link that leaves the folder of the operators\n"
        "    copy the operator's folder"
    )
    other = tmp_path / "other"
    other.mkdir()
    (other / FOLDER).symlink_to(tmp_path / "elsewhere")
    assert "operators/ is a link that leaves the recipe's folder" in complaints(other)


def test_folders_that_a_recipe_names_add_theirs(tmp_path: Path) -> None:
    (tmp_path / "pada.yaml").touch()
    write_operator(tmp_path / "recipe" / FOLDER)
    shared = write_operator(
        tmp_path / "shared", changed(("name: shorten", "name: lengthen")), name="lengthen"
    )
    found = find_operators(tmp_path / "recipe", ["../shared"])
    assert set(found) == {*OURS, "shorten", "lengthen"}
    assert found["lengthen"].own
    assert found["lengthen"].folder.resolve() == shared
    assert "lengthen" not in find_operators(tmp_path / "recipe")


def test_a_folder_that_is_not_there_and_a_name_twice_are_told(tmp_path: Path) -> None:
    (tmp_path / "pada.yaml").touch()
    write_operator(tmp_path / "recipe" / FOLDER)
    write_operator(tmp_path / "shared")
    look = look_for_operators(tmp_path / "recipe", ["../shared", "nowhere"])
    messages = [problem.message for problem in look.problems]
    assert messages[0] == "there is no folder nowhere"
    assert messages[1].endswith("/recipe/operators has an operator 'shorten' already")
    assert look.operators["shorten"].folder == tmp_path / "recipe" / "operators" / "shorten"
