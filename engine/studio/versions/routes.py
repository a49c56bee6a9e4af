"""What pages ask about versions of recipes and the packages that they use; nothing of it changes anything."""

from __future__ import annotations

from engine.studio.application import Route
from engine.studio.versions.recipe import diff, versions
from engine.studio.versions.repository import repository

ROUTES = (
    Route("GET", "/versions", versions),
    Route("GET", "/versions/diff", diff),
    Route("GET", "/repository", repository),
)
