"""A recipe that other machines can read: what it names outside of its project comes into it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from engine.errors import RecipeError
from engine.spec.yaml import parse
from engine.versions.trees import places_in

OUTSIDE = "outside"
"""Folder beside the recipe for what lay elsewhere."""


def moved_places(data: Mapping[str, Any], base: Path, project: Path) -> dict[str, str]:
    """Return place -> the place in the bundle, for those of a recipe that leave its project or are whole paths.

    A pattern keeps its last part.
    """
    moved: dict[str, str] = {}
    for name in places_in(data):
        if "://" in name or name in moved:
            continue
        leads_out = not Path(os.path.normpath(base / name)).is_relative_to(project)
        if PurePosixPath(name).is_absolute() or (leads_out and ".." in PurePosixPath(name).parts):
            folder = f"{OUTSIDE}/{len(moved) + 1}" if moved else OUTSIDE
            moved[name] = f"{folder}/{PurePosixPath(name).name}"
    return moved


def rewritten(text: str, moved: Mapping[str, str]) -> str:
    """Return a resolved recipe with other places, also where they stand in a query."""
    if not moved:
        return text
    data = with_moved(parse(text, Path("recipe.yaml")).data, moved)
    written = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    try:
        if parse(written, Path("recipe.yaml")).data == data:
            return written
    except RecipeError:
        pass
    return json.dumps(data, ensure_ascii=False, indent=2) + "\n"


def with_moved(value: Any, moved: Mapping[str, str]) -> Any:
    """Return a value in which places are those of the bundle."""
    if isinstance(value, Mapping):
        return {key: with_moved(child, moved) for key, child in value.items()}
    if isinstance(value, list):
        return [with_moved(child, moved) for child in value]
    if isinstance(value, str):
        if value in moved:
            return moved[value]
        for before, after in moved.items():
            value = value.replace(f"'{before}'", f"'{after}'")
    return value


def place_in_bundle(
    file: str, data: Mapping[str, Any], moved: Mapping[str, str], base: Path, project: Path
) -> str | None:
    """Return where a data file that lies outside of the project goes, from the project's folder; None: nowhere.

    Args:
        file: Its whole path.
        data: The recipe that leads to it, as it was.
        moved: Its places that are others in the bundle.
        base: The recipe's folder.
        project: The project's.
    """
    path = Path(file)
    for name in places_in(data):
        if "://" in name or "\0" in name:
            continue
        lexical = Path(os.path.normpath(base / name))
        target = base / moved[name] if name in moved else lexical
        if not target.is_relative_to(project):
            continue
        named = Path(os.path.realpath(lexical))
        if named == path:
            return target.relative_to(project).as_posix()
        if path.is_relative_to(named):
            return (target / path.relative_to(named)).relative_to(project).as_posix()
        if Path(os.path.realpath(lexical.parent)) == path.parent and fnmatch(
            path.name, lexical.name
        ):
            return (target.parent / path.name).relative_to(project).as_posix()
    return None
