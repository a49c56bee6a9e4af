"""`--set path=value`: keys, items of lists, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import RecipeError
from engine.spec.extending.settings import assignment
from engine.spec.loader import load
from tests.spec.extending.repositories import CHILD, WHOLE, problems, write


def recipe(folder: Path) -> Path:
    text = WHOLE.replace("[accuracy, macro_f1]", "[accuracy, {name: f1, sql: 'avg(1)'}]")
    write(folder, {"base.yaml": text, "r.yaml": CHILD.format("base.yaml")})
    return folder / "r.yaml"


def test_keys_and_items_of_lists_are_set(tmp_path: Path) -> None:
    settings = {"metrics.1.name": "mine", "augment.operators.0.share": 2.0, "loop.rounds": None}
    loaded = load(recipe(tmp_path), settings=settings)
    assert loaded.recipe.measured[1].name == "mine"
    assert loaded.recipe.measured[1].sql == "avg(1)"
    assert loaded.recipe.augment.operators[0].share == 2.0
    assert loaded.recipe.loop.rounds == 1
    assert loaded.settings == settings
    assert loaded.at("metrics", 1, "name").file == "--set metrics.1.name=mine"
    assert loaded.at("metrics", 0).by_line.endswith("base.yaml:13")
    assert (
        load(recipe(tmp_path), settings={"metrics.0": "macro_f1"}).recipe.metrics[0] == "macro_f1"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "augment.rows_per_rond=3",
            "unknown key 'rows_per_rond' in augment\n    did you mean 'rows_per_round'?",
        ),
        ("agment.rows=3", "unknown key 'agment'\n    did you mean 'augment'?"),
        ("loop.rounds=many", "--set loop.rounds=many: error: loop.rounds must be a whole number"),
        (
            "metrics.5.name=x",
            "metrics is a list, and has no item '5'\n    write the number of an item: it has 2",
        ),
        ("metrics.name=x", "metrics is a list, and has no item 'name'"),
        (
            "metrics[0]=x",
            "write the keys with dots between them, and items of a list by their numbers",
        ),
        ("vars.a=1", "vars is read before anything is set\n    write --var name=value"),
        ("extends=x.yaml", "extends is read before anything is set"),
        ("augment..x=1", "names no key of a recipe"),
        ("models.teacher.api_key=1", "models.teacher.api_key holds a secret"),
    ],
)
def test_what_cannot_be_set(text: str, said: str, tmp_path: Path) -> None:
    assert said in problems(recipe(tmp_path), settings=dict([assignment(text)]))


@pytest.mark.parametrize("text", ["loop.rounds", "=3", "loop.rounds=[1"])
def test_what_is_no_assignment(text: str) -> None:
    with pytest.raises(RecipeError):
        assignment(text)
