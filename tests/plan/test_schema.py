"""The JSON Schemas of recipes and methods are generated, current, and agree with the loaders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine.plan.schema import (
    METHOD_SCHEMA_FILE,
    SCHEMA_FILE,
    method_schema,
    recipe_schema,
    schema_text,
)
from engine.spec.method import find_methods
from engine.spec.package_data import shipped
from engine.spec.yaml import parse

BAD = Path(__file__).parents[1] / "data" / "bad_recipes"


def check(name: str) -> list[str]:
    recipe = next(BAD.glob(f"*_{name}.yaml"))
    data = parse(recipe.read_text(encoding="utf-8"), recipe).data
    validator = jsonschema.Draft202012Validator(recipe_schema())
    return [error.message for error in validator.iter_errors(data)]


@pytest.mark.parametrize(
    ("file", "schema"),
    [(SCHEMA_FILE, recipe_schema()), (METHOD_SCHEMA_FILE, method_schema())],
    ids=["recipe", "method"],
)
def test_schema_file_is_current_and_a_schema(file: str, schema: dict[str, Any]) -> None:
    written = (shipped("schemas") / file).read_text(encoding="utf-8")
    what = file.removesuffix(".schema.json")
    assert written == schema_text(schema), f"run `pada schema {what} > schemas/{file}`"
    jsonschema.Draft202012Validator.check_schema(json.loads(written))


@pytest.mark.parametrize("name", find_methods())
def test_methods_of_the_engine_pass(name: str) -> None:
    file = find_methods()[name]
    data = parse(file.read_text("utf-8"), file).data
    jsonschema.validate(data, method_schema())
    for wrong in ({"keeep": "all"}, {"keep": "none"}, {"rounds": -1}, {"name": "Not a name"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**data, **wrong}, method_schema())


@pytest.mark.parametrize(
    "recipe",
    sorted(shipped("recipes").rglob("recipe.yaml")),
    ids=lambda recipe: recipe.parent.name,
)
def test_shipped_recipes_pass(recipe: Path) -> None:
    data = parse(recipe.read_text(encoding="utf-8"), recipe).data
    jsonschema.validate(data, recipe_schema())


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
