"""What pages ask to get from a file to a recipe."""

from __future__ import annotations

from typing import Any

from engine.authoring.start.copying import copy_recipe
from engine.errors import EngineError
from engine.spec.loader import find_recipe
from engine.spec.package_data import shipped
from engine.spec.yaml import decode, parse, read_bytes
from engine.store import Stop
from engine.studio.answers import Verbatim
from engine.studio.application import Route
from engine.studio.asked import Asked
from engine.studio.settings import Settings
from engine.studio.start import places
from engine.studio.start.making import begun, created, dropped, looked, named, shown
from engine.studio.start.preview import begin, end, one_call, planned, result, seen
from engine.studio.start.prompts import prompt, stages
from engine.studio.uploads import LARGEST


def about(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a new recipe can begin with: endings of files, files of the project, recipes of the engine."""
    ours = sorted(shipped("recipes").glob("*/recipe.yaml"))
    return {
        "endings": places.endings(),
        "largest": LARGEST,
        "files": [Verbatim(one) for one in places.data_files(settings)],
        "recipes": [_of(file.parent.name) for file in ours],
    }


def _of(name: str) -> dict[str, str]:
    file = find_recipe(name)
    said = parse(decode(read_bytes(file), file), file).data
    description = said.get("description", "") if isinstance(said, dict) else ""
    return {"name": name, "description": str(description)}


def copied(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Copy a recipe of the engine with all that it needs into the project."""
    name = asked.text("recipe")
    known = {file.parent.name for file in shipped("recipes").glob("*/recipe.yaml")}
    if name not in known:
        raise EngineError(
            f"there is no recipe '{name[:200]}' of the engine", "choose one of the list"
        )
    folder = places.inside(settings, asked.text("folder") or f"{places.RECIPES}/{name}")
    made = copy_recipe(name, settings.folder / folder, None)
    return {"recipe": Verbatim(f"{folder}/{made.recipe.name}"), "count": made.files}


ROUTES = (
    Route("GET", "/new", about),
    Route("POST", "/new/named", named, writes=True),
    Route("POST", "/new/file", begun, writes=True, uploads=True),
    Route("POST", "/new/path", begun, writes=True),
    Route("POST", "/new/look", looked, writes=True),
    Route("POST", "/new/check", shown, writes=True),
    Route("POST", "/new/create", created, writes=True),
    Route("POST", "/new/drop", dropped, writes=True),
    Route("POST", "/new/copy", copied, writes=True),
    Route("GET", "/preview", seen),
    Route("GET", "/preview/plan", planned),
    Route("POST", "/preview/start", begin, writes=True),
    Route("POST", "/preview/stop", end, writes=True),
    Route("GET", "/preview/result", result),
    Route("GET", "/preview/calls/{call}", one_call),
    Route("GET", "/prompts", stages),
    Route("GET", "/prompts/shown", prompt),
)
