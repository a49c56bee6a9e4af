"""Vars with types: what a recipe declares, what `--var` gives, and what `${name}` becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.spec.loader import load
from tests.spec.extending.repositories import CHILD, WHOLE, problems, write

VARS = """vars:
  rows: {type: int, default: 100, description: Rows of a round.}
  share: 0.25
  control: true
  teacher: {type: text, choices: [large, small]}
"""
USED = (
    WHOLE.replace("rows_per_round: 40", "rows_per_round: '${rows}', coverage: '${share}'")
    .replace("rounds: 2", "control: '${control}'")
    .replace("model: teacher", "model: '${teacher}'")
    .replace("description: Mail.", "description: '${rows} of ${share}, ${control}.'")
)


def recipe(folder: Path, vars: str = VARS, text: str = USED) -> Path:
    return write(folder, {"r.yaml": text + vars}) / "r.yaml"


def test_a_value_alone_keeps_its_type_and_is_text_within_a_text(tmp_path: Path) -> None:
    loaded = load(recipe(tmp_path), {"teacher": "large"})
    assert loaded.recipe.augment.rows_per_round == 100
    assert loaded.recipe.augment.coverage == 0.25
    assert loaded.recipe.loop.control is True
    assert loaded.recipe.models.teacher.model == "large"
    assert loaded.recipe.task.description == "100 of 0.25, true."
    assert loaded.vars == {"rows": 100, "share": 0.25, "control": True, "teacher": "large"}


def test_a_command_gives_texts_that_are_read_by_type(tmp_path: Path) -> None:
    given = {"rows": "7", "share": "1e-1", "control": "False", "teacher": "small"}
    loaded = load(recipe(tmp_path), given)
    assert loaded.vars == {"rows": 7, "share": 0.1, "control": False, "teacher": "small"}
    assert loaded.recipe.loop.control is False
    typed: dict[str, Any] = {"rows": 7, "share": 0.1, "control": False, "teacher": "small"}
    assert load(recipe(tmp_path), typed).recipe == loaded.recipe


def test_a_whole_number_is_a_number_and_text_stays_text(tmp_path: Path) -> None:
    text = USED.replace("${teacher}", "${name}")
    vars = VARS.replace("teacher: {type: text, choices: [large, small]}", "name: '12'")
    loaded = load(recipe(tmp_path, vars, text), {"share": "0"})
    assert loaded.recipe.models.teacher.model == "12"
    assert loaded.recipe.augment.coverage == 0


def test_a_recipe_says_another_default_than_the_one_that_it_extends(tmp_path: Path) -> None:
    recipe(tmp_path)
    more = "vars: {rows: 9, teacher: small}\n"
    child = write(tmp_path, {"child.yaml": CHILD.format("r.yaml") + more}) / "child.yaml"
    loaded = load(child)
    assert (loaded.recipe.augment.rows_per_round, loaded.recipe.models.teacher.model) == (
        9,
        "small",
    )
    assert load(child, {"rows": "8"}).recipe.augment.rows_per_round == 8
    write(tmp_path, {"child.yaml": CHILD.format("r.yaml") + "vars: {rows: many, teacher: small}\n"})
    told = problems(child)
    assert "child.yaml:4:14" in told
    assert "its type is int, and 'many' is not a whole number" in told


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {},
            "r.yaml:22:12: error: the var 'teacher' has no value\n    write --var teacher=large (one of",
        ),
        (
            {"rows": "abc"},
            "--var rows=abc: 'rows' must be a whole number (int), not 'abc'\n    write --var rows=100: Rows",
        ),
        ({"rows": "1.5"}, "must be a whole number (int), not '1.5'"),
        ({"rows": True}, "must be a whole number (int), not 'true'"),
        ({"share": "a lot"}, "must be a number (number), not 'a lot'"),
        ({"share": "inf"}, "must be a number (number), not 'inf'"),
        ({"control": "yes"}, "must be true or false (bool), not 'yes'"),
        ({"teacher": "lage"}, "must be one of large, small, not 'lage'; did you mean 'large'?"),
        ({"row": "1"}, "no var 'row' in this recipe (--var row=…)\n    did you mean 'rows'?"),
    ],
)
def test_what_a_command_gives_wrongly(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = given if given.keys() & {"teacher"} or not given else {"teacher": "large", **given}
    told = problems(recipe(tmp_path), overrides=given)
    assert said in told
    assert "models.teacher.model" not in told
    assert "augment.rows_per_round" not in told


@pytest.mark.parametrize(
    ("vars", "said"),
    [
        (
            "{rows: {type: int, default: many}}",
            "vars.rows: its type is int, and 'many' is not a whole number",
        ),
        ("{rows: {type: int, default: true}}", "and 'true' is not a whole number"),
        (
            "{rows: {choices: [1, 2], type: int, default: 3}}",
            "its default '3' is none of its choices",
        ),
        ("{rows: {choices: [1, b]}}", "its type is text, and '1' is not a text"),
        ("{rows: {tpe: int}}", "unknown key 'tpe' in vars.rows\n    did you mean 'type'?"),
        ("{rows: {type: integer}}", "vars.rows.type must be 'text', 'int', 'number' or 'bool'"),
        ("{rows: [1]}", "vars.rows must be"),
        ("{rows: '${rows}'}", "a var cannot be made of other vars"),
        ("{rows: {default: '${other}'}}", "a var cannot be made of other vars"),
        ("{a-b: 1}", "'a-b' cannot be the name of a var"),
    ],
)
def test_what_a_recipe_declares_wrongly(vars: str, said: str, tmp_path: Path) -> None:
    assert said in problems(recipe(tmp_path, f"vars: {vars}\n", WHOLE))


def test_a_var_that_is_declared_nowhere(tmp_path: Path) -> None:
    text = WHOLE.replace("rounds: 2", "rounds: '${round}'")
    told = problems(recipe(tmp_path, "vars: {rounds: 2}\n", text))
    assert "there is no var 'round'\n    did you mean 'rounds'?" in told
    assert "whole number" not in told
