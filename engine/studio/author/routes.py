"""What pages ask to list, show, check and write recipes."""

from __future__ import annotations

from engine.studio.application import Route
from engine.studio.author.checking import check, columns, look
from engine.studio.author.copying import copy, shipped_recipes
from engine.studio.author.keys import schema
from engine.studio.author.listing import faults, recipes
from engine.studio.author.texts import change, save, text

ROUTES = (
    Route("GET", "/recipes", recipes),
    Route("GET", "/recipes/faults", faults),
    Route("GET", "/recipes/schema", schema),
    Route("GET", "/recipes/shipped", shipped_recipes),
    Route("GET", "/recipes/text", text),
    Route("POST", "/recipes/change", change),
    Route("POST", "/recipes/look", look),
    Route("POST", "/recipes/columns", columns),
    Route("POST", "/recipes/check", check),
    Route("POST", "/recipes/save", save, writes=True),
    Route("POST", "/recipes/copy", copy, writes=True),
)
