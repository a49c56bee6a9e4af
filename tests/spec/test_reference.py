"""The reference page of recipes is current, knows every key, and its examples are what the schema takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.plan.schema import (
    method_schema,
    operator_schema,
    pack_schema,
    recipe_schema,
    taxonomy_schema,
)
from engine.spec.reference import document, texts
from engine.spec.reference.document import PAGE, page
from engine.spec.reference.shapes import Schema, Shapes, example_of

SCHEMA = json.loads((PAGE.parents[1] / "schemas" / "recipe.schema.json").read_text("utf-8"))


def keys(part: Any) -> set[str]:
    """Return every key that a recipe can have anywhere."""
    if isinstance(part, list):
        return {key for each in part for key in keys(each)}
    if not isinstance(part, dict):
        return set()
    own = set(part["properties"]) if isinstance(part.get("properties"), dict) else set()
    return own.union(
        *(keys(each) for name, each in part.items() if name not in ("default", "examples"))
    )


def test_the_page_is_what_the_schema_says() -> None:
    assert PAGE.read_text("utf-8") == page(), "run python -m engine.spec.reference.document"


def test_every_key_is_there_with_its_meaning() -> None:
    text = page()
    known = keys(SCHEMA)
    assert len(known) > 150
    assert [
        key
        for key in sorted(known - {"params"})
        if f"`{key}`" not in text and f".{key}`" not in text
    ] == []
    assert "|  |\n" not in text, "a key's field has no docstring"
    assert "): .<br>" not in text


def test_examples_are_taken_by_the_schema_and_each_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, Schema, Any]] = []

    def watched(shapes: Shapes, path: str, schema: Schema, examples: dict[str, Any]) -> Any:
        value = example_of(shapes, path, schema, examples)
        if value is not None:
            shown.append((path, schema, value))
        return value

    monkeypatch.setattr(document, "example_of", watched)
    page()
    wrong = {
        path: error.message
        for path, schema, value in shown
        for error in Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]}).iter_errors(value)
    }
    assert wrong == {}


def test_each_example_that_is_written_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    def watched(shapes: Shapes, path: str, schema: Schema, examples: dict[str, Any]) -> Any:
        asked.add(path)
        return example_of(shapes, path, schema, examples)

    monkeypatch.setattr(texts, "example_of", watched)
    monkeypatch.setattr(document, "example_of", watched)
    page()
    for schema in (recipe_schema, operator_schema, method_schema, taxonomy_schema, pack_schema):
        schema()
    written = {key for key in texts.examples() if not key.startswith("project:")}
    assert written - asked == set()


def test_a_key_without_an_example_is_named() -> None:
    with pytest.raises(ValueError, match=r"train\.note has no example"):
        example_of(Shapes({}), "train.note", {"type": "string"}, {})
