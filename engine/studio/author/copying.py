"""Recipes that come with the engine: to look at, and to copy into the project, as `pada init --from` does."""

from __future__ import annotations

from typing import Any

from engine.authoring.start.copying import copy_recipe
from engine.authoring.start.placing import recipe_name
from engine.errors import EngineError
from engine.gate.roots import real
from engine.spec.package_data import shipped
from engine.spec.yaml import parse, read_text
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.recipes import is_ours, recipe_file
from engine.studio.settings import Settings

_FOLDER = "recipes"
"""Where copies go, as folders of their own: `pada.yaml` looks for recipes there."""


def shipped_recipes(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the recipes that come with the engine, each with what it is for and its text."""
    found = []
    for file in sorted(shipped("recipes").glob("*/recipe.yaml")):
        text = read_text(file)
        said = parse(text, file).data
        found.append(
            {"name": file.parent.name, "description": said.get("description", ""), "text": text}
        )
    return {"recipes": found}


def copy(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Copy a recipe into the project: one that comes with the engine by its name, or one of a package by its path."""
    name = asked.text("name")
    known = [file.parent.name for file in shipped("recipes").glob("*/recipe.yaml")]
    if name in known:
        source, called = name, name
    else:
        file = recipe_file(settings, name)
        if is_ours(file):
            raise EngineError(f"{name} is in the project already", "change it as it is")
        called = recipe_name(str(parse(read_text(file), file).data.get("name", "")))
        source = str(file.absolute())
    root = real(settings.folder)
    if not real(root / _FOLDER).is_relative_to(root):
        raise EngineError(
            f"{_FOLDER} is a link that leads out of the project", "make it a folder of the project"
        )
    copied = copy_recipe(source, settings.folder / _FOLDER / called, None)
    return {"recipe": copied.recipe.relative_to(settings.folder).as_posix(), "files": copied.files}
