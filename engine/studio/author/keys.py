"""Every key that a recipe may have: the JSON Schema of which documentation and `pada explain` are made."""

from __future__ import annotations

from typing import Any

from engine.spec.reference.keys import schema_of
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.settings import Settings


def schema(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the JSON Schema of recipes: titles, meanings, defaults and an example of each key."""
    return schema_of("recipe")
