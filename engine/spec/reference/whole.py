"""The JSON Schema of recipes as that of one that is whole: what is required where a recipe extends no other."""

from __future__ import annotations

from typing import Any

UNLESS = "requiredUnlessExtends"
"""Keyword of the schema, which validators pass over: what a mapping requires where the recipe extends none."""
GIVEN = "Given"
"""Part of the schema: what may stand for a value of any type."""
GIVEN_REF = {"$ref": f"#/$defs/{GIVEN}"}
ABOUT = ("title", "description", "default", "examples")
"""Keywords that say what a key is, whatever stands there."""


def as_whole(value: Any) -> Any:
    """Return a part of such a schema, or the whole, with what is required where the recipe extends none."""
    if isinstance(value, list):
        return [as_whole(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value.get("anyOf", ())) == 2 and value["anyOf"][1] == GIVEN_REF:
        value = {**value["anyOf"][0], **{key: value[key] for key in ABOUT if key in value}}
    plain = {
        key: as_whole(each)
        for key, each in value.items()
        if key not in (UNLESS, "patternProperties")
    }
    return plain | ({"required": value[UNLESS]} if UNLESS in value else {})
