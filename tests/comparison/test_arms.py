"""Which arms there are, and which cannot be compared: said before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.comparison.arms import Asked, arms_of
from engine.errors import EngineError, RecipeError
from engine.spec.extending.settings import assignment
from tests.e2e.scripted_project import write_project


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("arms") / "project", SEEDS="[0, 1]")


def asked(recipe: Path, **changes: Any) -> Asked:
    return Asked(**{"recipes": [recipe], "state": recipe.parent / "state", **changes})


def test_methods_and_settings_make_arms_and_rows_budgets_of_them(recipe: Path) -> None:
    found = arms_of(
        asked(recipe, methods=["pada"], settings=["augment.coverage=0.5"], rows=[6, 12])
    )
    assert found.names == ["pada", "pada augment.coverage=0.5"]
    assert [arm.rows for arm in found.arms] == [6, 12, 6, 12]
    assert found.baseline == "pada"
    last = found.arms[-1].project.loaded.recipe
    assert (last.augment.coverage, last.augment.rows_per_round) == (0.5, 12)
    # All of them use the rows that were read for the first.
    assert len({id(arm.project.examined.splits) for arm in found.arms}) == 1


def test_what_does_the_same_is_one_arm(recipe: Path) -> None:
    settings = ["augment.coverage=0.50", "loop.rounds=1"]
    found = arms_of(asked(recipe, methods=["vanilla", "pada"], settings=settings, rows=[6, 12]))
    told = [(arm.name, arm.rows) for arm in found.arms]
    # Settings have the names that were typed; vanilla is the same whatever the budget.
    assert told == [
        ("vanilla", None), ("pada", 6), ("pada", 12), ("pada augment.coverage=0.50", 6),
        ("pada augment.coverage=0.50", 12),
    ]  # fmt: skip
    assert [note for note in found.notes if note.startswith("left out")] == [
        "left out, since it does the same as vanilla: vanilla augment.coverage=0.50",
        "left out, since it does the same as vanilla: vanilla loop.rounds=1",
        "left out, since it does the same as pada: pada loop.rounds=1",
    ]


def test_the_budget_is_shared_out_among_the_rounds_of_each_method(recipe: Path) -> None:
    found = arms_of(
        asked(recipe, methods=["auggpt", "pada"], settings=["loop.rounds=3"], rows=[12])
    )
    per_round = {arm.name: arm.project.loaded.recipe.augment.rows_per_round for arm in found.arms}
    assert per_round == {
        "auggpt": 12, "pada": 12, "pada loop.rounds=3": 4,
    }  # fmt: skip
    assert found.notes[0] == "left out, since it does the same as auggpt: auggpt loop.rounds=3"
    assert {arm.most_rows for arm in found.arms} == {12}


def test_what_arms_do_not_share_is_said(recipe: Path) -> None:
    found = arms_of(
        asked(recipe, methods=["pada"], settings=["augment.rows_per_round=24", "train.steps=2"])
    )
    assert found.notes == (
        "not the same budget of rows (--rows N gives one): pada 12, pada augment.rows_per_round=24 24, "
        "pada train.steps=2 12",
        "not the same optimizer steps: pada 1 steps of 8 rows, pada augment.rows_per_round=24 1 steps of 8 rows, "
        "pada train.steps=2 2 steps of 8 rows",
    )


def test_a_method_that_looks_at_no_failures_may_stand_beside_a_recipe_that_names_some(
    tmp_path: Path,
) -> None:
    recipe = write_project(tmp_path / "project")
    recipe.write_text(recipe.read_text("utf-8") + "failures: {source: train}\n", "utf-8")
    found = arms_of(asked(recipe, methods=["random", "pada"]))
    sources = [arm.project.loaded.recipe.failures.source for arm in found.arms]
    assert sources == [None, "train"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "there is one arm, 'estimated', and a comparison takes two"),
        (
            {"methods": ["vanilla", "pada"], "baseline": "vanila"},
            "no arm is called 'vanila', which is to be the baseline\n    did you mean 'vanilla'?",
        ),
        ({"methods": ["pada", "pada"]}, "two arms are called 'pada'"),
        ({"methods": ["vanilla", "pada"], "rows": [0]}, "--rows 0: a budget is at least one row"),
        (
            {"methods": ["vanilla"], "settings": ["augment.coverage=0.50", "augment.coverage=0.5"]},
            "all arms do the same as 'vanilla'",
        ),
        ({"settings": ["seeds=[1]"]}, "--set seeds=[1]: arms differ in seeds\n    write --seeds"),
        (
            {"settings": ["train.method=none"]},
            "'estimated' and 'train.method=none' cannot be compared: their ways of training differ: lora and none",
        ),
        (
            {"settings": ["failure=accuracy < 0.5"]},
            "'estimated' and 'failure=accuracy < 0.5' cannot be compared: their conditions of failure differ: "
            "accuracy < 1 and accuracy < 0.5",
        ),
        (
            {"settings": ["models.student.model=another"]},
            "cannot be compared: their students differ: student and another",
        ),
        (
            {"settings": ["data.test.limit=3"]},
            "cannot be compared: their test rows differ (8 and 3, 3 of them the same); name the same data in both",
        ),
        (
            {"settings": ["data.train.limit=20"]},
            "cannot be compared: their train rows differ (24 and 20, 20 of them the same)",
        ),
    ],
    ids=["one", "baseline", "twice", "no rows", "no effect", "seeds", "untrained", "failure", "student", "test",
         "train"],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused(
    changes: dict[str, Any], message: str, recipe: Path
) -> None:
    with pytest.raises(EngineError) as caught:
        arms_of(asked(recipe, **changes))
    assert message in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_mistake_in_an_arm_is_told_with_its_place(recipe: Path) -> None:
    with pytest.raises(RecipeError, match=r"^--set augment.coverage=2: error: augment.coverage"):
        arms_of(asked(recipe, settings=["augment.coverage=2"]))
    with pytest.raises(RecipeError, match="there is no method 'padda'"):
        arms_of(asked(recipe, methods=["vanilla", "padda"]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("augment.coverage=0.5", ("augment.coverage", 0.5)),
        ("patterns.exclude=[a, b]", ("patterns.exclude", ["a", "b"])),
        ("failure=accuracy < 1", ("failure", "accuracy < 1")),
        ("benchmark=", ("benchmark", None)),
    ],
)
def test_a_value_is_read_as_yaml(text: str, found: tuple[str, Any]) -> None:
    assert assignment(text) == found


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: assignment("augment"), "--set augment: error: this is not an assignment"),
        (lambda: assignment("a=[1"), "--set a=[1: error: the value is not YAML"),
    ],
    ids=["no value", "no YAML"],
)
def test_what_is_no_assignment_is_refused(read: Callable[[], Any], message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read()
    assert str(caught.value).startswith(message)
