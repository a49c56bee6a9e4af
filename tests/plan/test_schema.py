"""The recipe's JSON Schema is generated, current, and agrees with the loader."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from engine.plan.schema import SCHEMA_FILE, recipe_schema, schema_text
from engine.spec.package_data import shipped
from engine.spec.yaml import parse

BAD = Path(__file__).parents[1] / "data" / "bad_recipes"


@cache
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(recipe_schema())


def complaints(recipe: Path) -> list[str]:
    data = parse(recipe.read_text(encoding="utf-8"), recipe).data
    return [error.message for error in validator().iter_errors(data)]


def check(name: str) -> list[str]:
    return complaints(next(BAD.glob(f"*_{name}.yaml")))


def test_schema_file_is_current() -> None:
    written = (shipped("schemas") / SCHEMA_FILE).read_text(encoding="utf-8")
    assert written == schema_text(), "run `pada schema > schemas/recipe.schema.json`"


def test_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize(
    "recipe",
    sorted(shipped("recipes").rglob("recipe.yaml")),
    ids=lambda recipe: recipe.parent.name,
)
def test_shipped_recipes_pass(recipe: Path) -> None:
    assert complaints(recipe) == []


@pytest.mark.parametrize("name", ["failure_reversed", "repeated_rows", "stop_metric"])
def test_recipe_of_the_right_shape_passes(name: str) -> None:
    assert check(name) == []


@pytest.mark.parametrize(
    "name",
    ["unknown_key", "wrong_type", "unknown_operator", "unknown_metric", "unknown_backend",
     "unknown_task", "operator_params", "out_of_range", "wrong_format_version", "missing_parts"],
)  # fmt: skip
def test_recipe_of_the_wrong_shape_is_refused(name: str) -> None:
    assert check(name)
