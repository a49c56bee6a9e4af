"""`pada migrate`: files of an older format become those of the newest, comments kept, by small changes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from engine.authoring.formats import FORMATS
from engine.authoring.migration import STEPS, Step, change, migrated, move, remove, rename, split
from engine.errors import EngineError, RecipeError

FILE = Path("recipe.yaml")
TO_1 = Step(
    "recipe",
    0,
    (
        rename("fine_tuning", "train"),
        rename("train.lr", "learning_rate"),
        move("rounds", "loop.rounds"),
        move("augment.rows", "augment.rows_per_round"),
        split(
            "student", lambda text: dict(zip(("backend", "model"), text.split(":", 1), strict=True))
        ),
        rename("augment.operators.type", "name"),
        change("augment.operators.share", lambda text: float(text) / 100),
        remove("same_pattern"),
    ),
)
TO_2 = Step("recipe", 1, (rename("name", "title"),))
OLD = """\
# The support desk.
recipe: 0   # format
name: desk
# How it is trained.
fine_tuning: {lr: 1e-3}  # slowly
# Not needed.
same_pattern: 0.8
student: transformers:embedded/smollm2  # small
# Three of them.
rounds: 3
augment:
  rows: 120   # each round
  operators:
    # The first.
    - {type: paraphrase, share: 50}
    - type: typos
      share: 25  # few
"""
NEW = """\
# The support desk.
recipe: 1  # format
name: desk
# How it is trained.
train: {learning_rate: 1e-3}  # slowly
# Not needed.
backend: transformers  # small
model: embedded/smollm2
augment:
  operators:
    # The first.
    - {name: paraphrase, share: 0.5}
    - name: typos
      share: 0.25  # few
  rows_per_round: 120  # each round
loop:
  # Three of them.
  rounds: 3
"""


def test_a_step_renames_moves_splits_changes_and_removes_with_comments() -> None:
    assert migrated(OLD, FILE, [TO_1], {"recipe": 1}) == NEW


def test_steps_follow_one_another_and_what_is_new_stays_as_it_is_written() -> None:
    assert migrated(OLD, FILE, [TO_2, TO_1], {"recipe": 2}) == NEW.replace(
        "recipe: 1", "recipe: 2"
    ).replace("name: desk", "title: desk")
    untidy = "name:   x\n\n\nrecipe: 1\n"
    assert migrated(untidy, FILE) == untidy


def test_nothing_is_moved_over_a_key_that_is_there() -> None:
    text = "recipe: 0\nrounds: 3\nloop: {rounds: 1}\n"
    step = Step("recipe", 0, (move("rounds", "loop.rounds"),))
    assert migrated(text, FILE, [step], {"recipe": 1}) == text.replace("recipe: 0", "recipe: 1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\n", ("1:1: error: this file does not say what it is", "begin a recipe with `recipe: 1`")),
        ("recipe: 2\n", ("1:9: error: this recipe has format 2 and is made for a newer engine", "update the engine")),
        ("operator: 7\n", ("this operator has format 7", "this one reads format 1")),
        ("name: x\nrecipe: one\n", ("2:9: error: recipe must be a format version", "write `recipe: 1`")),
        ("recipe: true\n", ("must be a format version", "`recipe: 1`")),
        ("recipe: 0\n", ("no step leads from format 0 of a recipe to format 1", "`pada explain`")),
        ("recipe: 1\nname: a\nname: b\n", ("3:1: error: the key 'name' is given twice", "line 2")),
    ],
)  # fmt: skip
def test_a_wrong_version_is_told_with_its_place(text: str, said: tuple[str, ...]) -> None:
    with pytest.raises(RecipeError) as caught:
        migrated(text, FILE)
    assert [part for part in said if part not in str(caught.value)] == []


def test_a_step_that_makes_what_cannot_be_read_is_an_error() -> None:
    step = Step("recipe", 0, (rename("a", "recipe"),))
    with pytest.raises(EngineError, match="the key 'recipe' is given twice"):
        migrated("recipe: 0\na: 1\n", FILE, [step], {"recipe": 1})


def test_values_are_written_so_that_they_are_read_back() -> None:
    step = Step(
        "recipe",
        0,
        (
            change("a", lambda _: "no"),
            change("b", lambda _: "x: y"),
            change("c", lambda _: None),
            change("d", lambda _: True),
        ),
    )
    text = dedent("""\
        recipe: 0
        a: 1
        b: 1
        c: 1
        d: 1
    """)
    assert migrated(text, FILE, [step], {"recipe": 1}) == dedent("""\
        recipe: 1
        a: "no"
        b: "x: y"
        c: null
        d: true
    """)


def test_each_step_of_the_engine_leads_to_a_format_that_it_reads() -> None:
    assert all(step.since < FORMATS[step.kind] for step in STEPS)
    assert len({(step.kind, step.since) for step in STEPS}) == len(STEPS)
