"""What pages ask to list, show, check and write recipes."""

from __future__ import annotations

from engine.studio.application import Route
from engine.studio.author.listing import faults, recipes

ROUTES = (
    Route("GET", "/recipes", recipes),
    Route("GET", "/recipes/faults", faults),
)
