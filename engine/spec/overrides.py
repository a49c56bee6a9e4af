"""Values that are laid over a recipe before it is checked: its method's, and those that a command names.

Mappings are merged, anything else takes the place of what stood there. Every value keeps the place that it is from, so
that what is wrong with one is told where it was written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import Location, Problem, RecipeError
from engine.spec.yaml import Document, KeyPath, parse

SETTING = "--set {}"
"""Where a value is said to stand that is in no file."""


def laid_over(document: Document, over: Document, at: KeyPath = ()) -> Document:
    """Return a document with what stands at `at` in another one laid over it."""
    data: Any = over.data
    for key in at:
        data = data.get(key) or {}
    merged = replace(
        document,
        data=deepcopy(document.data),
        keys=dict(document.keys),
        values=dict(document.values),
    )
    paths: set[KeyPath] = set()
    for path, value in _leaves(data, ()):
        _put(merged, path, value)
        paths.add(path)
    for ours, theirs in ((merged.keys, over.keys), (merged.values, over.values)):
        assert isinstance(ours, dict)
        for known in [known for known in ours if _is_below(known, paths)]:
            del ours[known]
        for path in paths:
            for depth in range(len(path)):
                # A part that only these values have stands where they do.
                parent = path[: depth + 1]
                if (place := theirs.get((*at, *parent))) is not None:
                    ours.setdefault(parent, place)
        for known, place in theirs.items():
            if known[: len(at)] == at and _is_below(known[len(at) :], paths):
                ours[known[len(at) :]] = place
    return merged


def _is_below(path: KeyPath, paths: Collection[KeyPath]) -> bool:
    """Return whether a path is one of several, or leads on from one."""
    return any(path[:depth] in paths for depth in range(1, len(path) + 1))


def assigned(settings: Mapping[str, Any]) -> Document:
    """Return values by dotted keys (`augment.rows_per_round`) as a document; raises RecipeError for an empty key."""
    document = Document({}, Path(), {}, {})
    for name, value in settings.items():
        path: KeyPath = tuple(name.split("."))
        where = Location(SETTING.format(f"{name}={value}"))
        if not all(path):
            hint = "write the keys with dots between them: augment.rows_per_round"
            raise RecipeError([Problem(where, f"'{name}' names no key of a recipe", hint)])
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


def _leaves(data: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Yield what replaces something: values, lists and empty mappings, each with its path."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from _leaves(value, (*path, key))
    elif path:
        yield path, data


def _put(document: Document, path: KeyPath, value: Any) -> None:
    here: Any = document.data
    for key in path[:-1]:
        if not isinstance(here.get(key), dict):
            here[key] = {}
        here = here[key]
    here[path[-1]] = deepcopy(value)
