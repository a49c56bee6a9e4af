"""The JSON Schemas of recipes, operators and methods are generated, current, and agree with the loaders."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engine.operators import Operator, find_operators
from engine.plan.schema import (
    METHOD_SCHEMA_FILE,
    OPERATOR_SCHEMA_FILE,
    SCHEMA_FILE,
    TAXONOMY_SCHEMA_FILE,
    method_schema,
    operator_schema,
    recipe_schema,
    schema_text,
    taxonomy_schema,
)
from engine.spec.method import find_methods
from engine.spec.package_data import shipped
from engine.spec.yaml import parse

BAD = Path(__file__).parents[1] / "fixtures" / "bad_recipes"


@cache
def validator(schema: Callable[[], dict[str, Any]]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


RECIPE, OPERATOR, METHOD = (
    partial(validator, schema) for schema in (recipe_schema, operator_schema, method_schema)
)
"""Each made once; that they are schemas is tested below."""


def complaints(recipe: Path) -> list[str]:
    data = parse(recipe.read_text(encoding="utf-8"), recipe).data
    return [error.message for error in RECIPE().iter_errors(data)]


def check(name: str) -> list[str]:
    return complaints(next(BAD.glob(f"*_{name}.yaml")))


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        (SCHEMA_FILE, recipe_schema()),
        (OPERATOR_SCHEMA_FILE, operator_schema()),
        (METHOD_SCHEMA_FILE, method_schema()),
        (TAXONOMY_SCHEMA_FILE, taxonomy_schema()),
    ],
    ids=["recipe", "operator", "method", "taxonomy"],
)
def test_schema_file_is_current_and_a_schema(file: str, schema: dict[str, Any]) -> None:
    written = (shipped("schemas") / file).read_text(encoding="utf-8")
    what = file.removesuffix(".schema.json")
    assert written == schema_text(schema), f"run `pada schema {what} > schemas/{file}`"
    jsonschema.Draft202012Validator.check_schema(json.loads(written))


@pytest.mark.parametrize("operator", find_operators(None).values(), ids=lambda o: o.name)
def test_operators_of_the_engine_pass(operator: Operator) -> None:
    file = operator.folder / "operator.yaml"
    data = parse(file.read_text("utf-8"), file).data
    OPERATOR().validate(data)
    with pytest.raises(jsonschema.ValidationError):
        OPERATOR().validate({**data, "lable": "keep"})
    with pytest.raises(jsonschema.ValidationError):
        OPERATOR().validate({**data, "tasks": ["numerical"]})


def test_an_operator_of_the_recipes_own_passes_and_one_of_the_engine_keeps_its_parameters() -> None:
    recipe = next(shipped("recipes").rglob("quickstart/recipe.yaml"))
    data = parse(recipe.read_text("utf-8"), recipe).data
    data["augment"]["operators"] = [{"name": "mine", "params": {"anything": 1}}]
    RECIPE().validate(data)
    data["augment"]["operators"] = [{"name": "paraphrase", "params": {"anything": 1}}]
    with pytest.raises(jsonschema.ValidationError):
        RECIPE().validate(data)


@pytest.mark.parametrize("name", find_methods())
def test_methods_of_the_engine_pass(name: str) -> None:
    file = find_methods()[name]
    data = parse(file.read_text("utf-8"), file).data
    METHOD().validate(data)
    for wrong in ({"keeep": "all"}, {"keep": "none"}, {"rounds": -1}, {"name": "Not a name"}):
        with pytest.raises(jsonschema.ValidationError):
            METHOD().validate({**data, **wrong})


@pytest.mark.parametrize(
    "recipe",
    sorted(shipped("recipes").rglob("recipe.yaml")),
    ids=lambda recipe: recipe.parent.name,
)
def test_shipped_recipes_pass(recipe: Path) -> None:
    assert complaints(recipe) == []


@pytest.mark.parametrize(
    "name", ["failure_reversed", "repeated_rows", "stop_metric", "unknown_operator"]
)
def test_recipe_of_the_right_shape_passes(name: str) -> None:
    assert check(name) == []


@pytest.mark.parametrize(
    "name",
    ["unknown_key", "wrong_type", "unknown_metric", "unknown_backend",
     "unknown_task", "operator_params", "out_of_range", "wrong_format_version", "missing_parts"],
)  # fmt: skip
def test_recipe_of_the_wrong_shape_is_refused(name: str) -> None:
    assert check(name)
