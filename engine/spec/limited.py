"""The limits of a recipe at work: they hold for a block, and what runs into them is told at its place in the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from engine import sandbox
from engine.errors import Location, Problem, RecipeError
from engine.sandbox import Overrun
from engine.spec.loader import LoadedRecipe, dotted
from engine.spec.yaml import Document, KeyPath
from engine.sql import connection


@contextmanager
def limited(loaded: LoadedRecipe) -> Iterator[None]:
    """Let the recipe's limits hold, for the block and until others are set.

    Raises:
        RecipeError: what the recipe says takes more.
    """
    limits = loaded.recipe.limits
    sandbox.use(sandbox.Limits(limits.seconds, limits.memory, limits.rows))
    if "sql" in _keys(loaded.document.data.get("data")):
        # Queries are computed apart, always.
        sandbox.start(connection.__name__)
    try:
        yield
    except Overrun as overrun:
        where, name = _place(loaded, overrun.text)
        message = f"{name}: this {overrun.why}" if name else overrun.message
        raise RecipeError([Problem(where, message, overrun.hint, code="limits")]) from None


def _place(loaded: LoadedRecipe, text: str) -> tuple[Location, str]:
    """Return where a text stands in the recipe or its file of categories, and the key; the recipe itself if nowhere."""
    documents: list[Document] = [loaded.document]
    if loaded.taxonomy_file is not None:
        documents.append(loaded.taxonomy_file)
    for document in documents:
        if (path := _path(document.data, text.strip(), ())) is not None:
            return document.at(path), dotted(path)
    return Location.at(loaded.path), ""


def _path(value: Any, text: str, path: KeyPath) -> KeyPath | None:
    if isinstance(value, str):
        return path if value.strip() == text else None
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
    found = (_path(part, text, (*path, key)) for key, part in parts)
    return next((one for one in found if one is not None), None)


def _keys(value: Any) -> set[str]:
    """Return the keys of the mappings in a mapping."""
    parts = value.values() if isinstance(value, dict) else ()
    return {key for part in parts if isinstance(part, dict) for key in part}
