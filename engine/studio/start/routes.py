"""What pages ask to get from a file to a recipe."""

from __future__ import annotations

from typing import Any

from engine.store import Stop
from engine.studio.answers import Verbatim
from engine.studio.application import Route
from engine.studio.asked import Asked
from engine.studio.author.copying import shipped_recipes
from engine.studio.settings import Settings
from engine.studio.start import places
from engine.studio.start.making import begun, created, dropped, looked, named, shown
from engine.studio.start.preview import begin, end, one_call, planned, result, seen
from engine.studio.start.prompts import prompt, stages
from engine.studio.uploads import LARGEST

_PATIENCE = 3600.0
"""Seconds: all rows of a file are read and checked, and none of it holds the store."""


def about(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a new recipe can begin with: endings of files, files of the project, recipes of the engine."""
    ours = shipped_recipes(settings, asked, stop)["recipes"]
    return {
        "endings": places.endings(),
        "largest": LARGEST,
        "read_only": settings.read_only,
        "files": [Verbatim(one) for one in places.data_files(settings)],
        "recipes": [{key: one[key] for key in ("name", "description")} for one in ours],
    }


ROUTES = (
    Route("GET", "/new", about),
    Route("POST", "/new/named", named, writes=True),
    Route("POST", "/new/file", begun, writes=True, uploads=True),
    Route("POST", "/new/path", begun, writes=True),
    Route("POST", "/new/look", looked, writes=True, seconds=_PATIENCE),
    Route("POST", "/new/check", shown, writes=True, seconds=_PATIENCE),
    Route("POST", "/new/create", created, writes=True, seconds=_PATIENCE),
    Route("POST", "/new/drop", dropped, writes=True),
    Route("GET", "/preview", seen),
    Route("GET", "/preview/plan", planned, seconds=_PATIENCE),
    Route("POST", "/preview/start", begin, writes=True, seconds=_PATIENCE),
    Route("POST", "/preview/stop", end, writes=True),
    Route("GET", "/preview/result", result),
    Route("GET", "/preview/calls/{call}", one_call),
    Route("GET", "/prompts", stages, seconds=_PATIENCE),
    Route("GET", "/prompts/shown", prompt, seconds=_PATIENCE),
)
