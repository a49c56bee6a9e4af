"""A recipe as it is run, as one text: vars filled in, with all that is inherited and laid over it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from engine.errors import RecipeError
from engine.fingerprint import digest
from engine.spec.loader import LoadedRecipe
from engine.spec.yaml import parse

_LIKE_A_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_FIRST = ("recipe", "name", "version", "description")
_OF_READING = ("vars", "extends")
"""Keys that are done with once a recipe is read."""


def resolved_text(loaded: LoadedRecipe) -> str:
    """Return a recipe that says what this one does, and needs no other file to say it, as YAML."""
    data = {key: value for key, value in loaded.document.data.items() if key not in _OF_READING}
    order = [key for key in _FIRST if key in data]
    data = {key: _escaped(data[key]) for key in [*order, *(k for k in data if k not in order)]}
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    try:
        if parse(text, loaded.path).data == data:
            return text
    except RecipeError:
        pass
    # What PyYAML leaves without quotes and the engine reads as something else: JSON says the same and quotes all.
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def meaning(text: str) -> str:
    """Return the hash of what a YAML text says, whatever its comments, order and form. Raises RecipeError."""
    return digest(_plain(parse(text, Path("recipe.yaml")).data))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _escaped(value: Any) -> Any:
    """Return a value whose texts say themselves where `${…}` is read as a var."""
    if isinstance(value, Mapping):
        return {key: _escaped(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_escaped(child) for child in value]
    if isinstance(value, str):
        return _LIKE_A_VARIABLE.sub(lambda found: f"${found[0]}", value)
    return value
