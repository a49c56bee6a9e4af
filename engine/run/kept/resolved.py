"""A recipe as it is run, as one text: vars filled in, with all that is inherited and laid over it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from engine.fingerprint import digest
from engine.spec.extending.places import LOOKED_IN, referenced
from engine.spec.extending.resolving import Resolved, as_yaml, resolved
from engine.spec.loader import LoadedRecipe
from engine.spec.yaml import parse

_NO_PACKAGES: Mapping[str, Path] = {}


def resolved_text(
    loaded: LoadedRecipe,
    packages: Mapping[str, Path] = _NO_PACKAGES,
    files: Collection[Path] | None = None,
) -> str:
    """Return a recipe that says what this one does, and needs no other recipe to say it, as YAML.

    Args:
        loaded: The recipe.
        packages: Name -> folder, resolved, of all packages of its project: what lies in one is named as `package/path`.
        files: The files that it is made of, resolved: folders in which it looks and none of them lies are left out.
            None leaves all.
    """
    data = resolved(loaded).data
    settings = data.get("task", {}).get("params") or {}
    if isinstance(settings.get("json_schema"), str):
        # It stands in a file of its own.
        settings["json_schema"] = loaded.effective["task"]["params"]["json_schema"]
    if files is not None:
        _leave_out(data, loaded, packages, files)
    return as_yaml(Resolved(referenced(data, loaded.base, packages), {}), plain=True)


def _leave_out(
    data: dict[str, Any],
    loaded: LoadedRecipe,
    packages: Mapping[str, Path],
    files: Collection[Path],
) -> None:
    """Take the folders out of a recipe in which it looks, and which hold nothing of it."""

    def is_used(text: str, inner: Collection[str]) -> bool:
        name, _, rest = text.partition("/")
        place = packages[name] / rest if name in packages else loaded.base / text
        folder = Path(os.path.realpath(place))
        within = [folder / each for each in inner] if inner else [folder]
        return any(file.is_relative_to(each) for each in within for file in files)

    for holder, key, inner in (
        (data, "look_in", LOOKED_IN),
        (data.get("augment") or {}, "operator_folders", ()),
    ):
        if key in holder:
            holder[key] = [text for text in holder[key] if is_used(text, inner)]
            if not holder[key]:
                del holder[key]


def meaning(text: str) -> str:
    """Return the hash of what a YAML text says, whatever its comments, order and form. Raises RecipeError."""
    return digest(_plain(parse(text, Path("recipe.yaml")).data))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_plain(child) for child in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)
