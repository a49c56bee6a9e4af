"""Values that a command names by dotted keys (`--set augment.rows_per_round=50`), to be laid over a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from engine.errors import Location, Problem, RecipeError
from engine.spec.yaml import Document, KeyPath, parse

SETTING = "--set {}"
"""Where a value is said to stand that is in no file."""
_BEFORE = {
    "vars": "write --var name=value",
    "extends": "write a recipe that extends the other one: `extends: …`",
}
"""Keys that no command sets, and what to do."""


def assigned(settings: Mapping[str, Any]) -> Document:
    """Return values by dotted keys (`augment.rows_per_round`, `metrics.0.name`) as a document.

    Raises:
        RecipeError: a key is empty, or one that no command can set.
    """
    document = Document({}, Path(), {}, {})
    for name, value in settings.items():
        path: KeyPath = tuple(name.split("."))
        where = Location(SETTING.format(f"{name}={value}"))
        if not all(path) or "[" in name:
            hint = "write the keys with dots between them, and items of a list by their numbers from 0: metrics.0.name"
            raise RecipeError([Problem(where, f"'{name}' names no key of a recipe", hint)])
        if path[0] in _BEFORE:
            message = f"{path[0]} is read before anything is set"
            raise RecipeError([Problem(where, message, _BEFORE[str(path[0])])])
        _put(document, path, value)
        assert isinstance(document.values, dict)
        assert isinstance(document.keys, dict)
        for depth in range(len(path)):
            document.keys.setdefault(path[: depth + 1], where)
        document.values[path] = where
    return document


def assignment(text: str) -> tuple[str, Any]:
    """Return key and value of `augment.rows_per_round=50`, the value read as YAML; raises RecipeError."""
    name, equals, value = text.partition("=")
    where = Location(SETTING.format(text))
    if not equals or not name.strip():
        hint = "write --set augment.rows_per_round=50"
        raise RecipeError([Problem(where, "this is not an assignment", hint)])
    try:
        return name.strip(), parse(f"value: {value.strip() or '~'}", Path()).data["value"]
    except RecipeError as error:
        message = f"the value is not YAML: {error.problems[0].message}"
        raise RecipeError([Problem(where, message, error.problems[0].hint)]) from None


def _put(document: Document, path: KeyPath, value: Any) -> None:
    here: Any = document.data
    for key in path[:-1]:
        if not isinstance(here.get(key), dict):
            here[key] = {}
        here = here[key]
    here[path[-1]] = deepcopy(value)
