"""Every key of every kind of file has what an editor shows: title, meaning, example, default, meanings of values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.spec.package_data import shipped
from engine.spec.reference.shapes import Schema
from engine.spec.reference.texts import own_enums, title_of, value_meanings, with_texts

KINDS = sorted(
    kind
    for file in shipped("schemas").glob("*.schema.json")
    if (kind := file.name.removesuffix(".schema.json"))
    in ("recipe", "taxonomy", "operator", "method", "pack", "project")
)


def read(kind: str) -> Schema:
    schema: Schema = json.loads((shipped("schemas") / f"{kind}.schema.json").read_text("utf-8"))
    return schema


def keys(part: Any, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield every key anywhere in a schema; what stands in examples and defaults is data."""
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from keys(each, f"{path}[{number}]")
    elif isinstance(part, dict):
        for name, each in part.items():
            if name == "properties":
                for key, prop in each.items():
                    yield f"{path}.{key}", prop
                    yield from keys(prop, f"{path}.{key}")
            elif name not in ("default", "examples", "else"):
                yield from keys(each, f"{path}/{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_has_its_texts(kind: str) -> None:
    schema = read(kind)
    found = list(keys(schema, kind))
    assert found
    lacking = [
        (path, text)
        for path, prop in found
        for text in ("title", "description", "examples")
        if not prop.get(text)
    ]
    assert lacking == []
    short = [path for path, prop in found if len(prop["description"]) < 10]
    assert short == []
    unexplained = [
        path
        for path, prop in found
        for enum in own_enums(prop)
        if len(enum["enum"]) != len(enum.get("enumDescriptions", []))
    ]
    assert unexplained == []
    assert [
        path for path, prop in found if re.search(r"\n(?!\n)(?<!\n\n)", prop["description"])
    ] == []


@pytest.mark.parametrize("kind", KINDS)
def test_examples_and_defaults_may_stand_where_they_are_shown(kind: str) -> None:
    schema = read(kind)
    seen: set[str] = set()
    wrong = []
    for path, prop in keys(schema, kind):
        written = json.dumps(prop, sort_keys=True)
        if written in seen:
            continue
        seen.add(written)
        validator = Draft202012Validator({**prop, "$defs": schema.get("$defs", {})})
        shown = [*prop["examples"], *([prop["default"]] if "default" in prop else [])]
        wrong += [
            f"{path}: {error.message[:200]}"
            for value in shown
            for error in validator.iter_errors(value)
        ]
    assert wrong == []


def test_a_key_without_a_meaning_or_an_example_is_named() -> None:
    silent = {"properties": {"note": {"type": "string"}}}
    with pytest.raises(ValueError, match="note has no docstring"):
        with_texts(silent, "recipe")
    told = {"properties": {"note": {"type": "string", "description": "Said aloud."}}}
    with pytest.raises(ValueError, match="pack:note has no example"):
        with_texts(told, "pack")


def test_meanings_come_from_the_registry_then_the_table_then_the_docstring() -> None:
    text = (
        "What happens. stop: a bad row\n    is an error; drop, skip: it is left out. Else nothing."
    )
    values = ["stop", "drop", "skip"]
    assert value_meanings("a.b", values, text, {"skip": "vLLM skips"}) == [
        "A bad row is an error.",
        "It is left out.",
        "vLLM skips.",
    ]
    with pytest.raises(ValueError, match=r"a\.b: go has no meaning"):
        value_meanings("a.b", ["go"], text, {})


@pytest.mark.parametrize(
    ("key", "title"),
    [("rows_per_round", "Rows per round"), ("r", "LoRA rank (r)"), ("sql", "SQL")],
)
def test_titles(key: str, title: str) -> None:
    assert title_of(key) == title
