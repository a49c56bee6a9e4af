"""Reply schemas: the bases in `schemas/`, specialised for a recipe (columns, taxonomy, counts).

Every string and array is bounded, so a reply has a largest length, and with it a token limit that a
well-formed reply can never reach.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.spec.shipped import shipped

LONGEST = 4000
"""Characters that no generated text exceeds, whatever the training rows are like."""


def base(name: str) -> dict[str, Any]:
    """Return the schema `schemas/<name>.schema.json` without its prose, which no backend needs."""
    schema: dict[str, Any] = json.loads(
        (shipped("schemas") / f"{name}.schema.json").read_text("utf-8")
    )
    return {
        key: value
        for key, value in schema.items()
        if key not in {"$schema", "title", "description"}
    }


def pattern(categories: Sequence[str]) -> dict[str, Any]:
    """Return the pattern schema; with categories, the reply must name one of them."""
    schema = base("pattern")
    if categories:
        schema["properties"] = {**schema["properties"], "category": {"enum": list(categories)}}
        schema["required"] = [*schema["required"], "category"]
    return schema


def rows(columns: Sequence[str], count: int, longest: int) -> dict[str, Any]:
    """Return the schema of `count` new rows with the given text columns, each at most `longest` characters."""
    schema = base("rows")
    text = {"type": "string", "minLength": 1, "maxLength": longest}
    item = {
        "type": "object",
        "properties": {column: text for column in columns},
        "required": list(columns),
        "additionalProperties": False,
    }
    schema["properties"]["rows"] = {
        "type": "array", "items": item, "minItems": count, "maxItems": count,
    }  # fmt: skip
    return schema


def token_limit(schema: Mapping[str, Any]) -> int:
    """Return a number of tokens that no reply to a bounded schema exceeds (one per character)."""
    if "enum" in schema:
        return max(len(json.dumps(choice)) for choice in schema["enum"])
    kind = schema.get("type")
    if kind == "string":
        return int(schema["maxLength"]) + 2
    if kind == "array":
        return int(schema["maxItems"]) * (token_limit(schema["items"]) + 2) + 2
    if kind == "object":
        fields = schema["properties"].items()
        return sum(len(name) + 6 + token_limit(value) for name, value in fields) + 2
    return 8
