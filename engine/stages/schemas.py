"""Reply schemas: those of `engine.spec.reply_schemas`, specialised for a recipe (taxonomy, scale), and their limits.

Every string and array is bounded, so a reply has a largest length, and with it a token limit that a
well-formed reply can never reach.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from engine.stages.forecast import Range

LONGEST = 4000
"""Characters that no generated text exceeds, whatever the training rows are like."""
_SHORT = 8
"""Tokens of a number, a truth value or nothing."""
_MOST_KNOWN = 256
"""Schemas whose limits are known."""
_DEFINITIONS = ("$defs", "definitions")


Schema = Mapping[str, Any]
"""A JSON Schema."""


def pattern(schema: Schema, categories: Sequence[str]) -> Schema:
    """Return the pattern schema; with categories, the reply must name one of them."""
    if categories:
        schema = dict(schema)
        schema["properties"] = {**schema["properties"], "category": {"enum": list(categories)}}
        schema["required"] = [*schema["required"], "category"]
    return schema


def one_diagnosis(schema: Schema) -> Schema:
    """Return the schema of one diagnosis, where a schema is of one or of a list of them."""
    item: Schema = schema["properties"].get("diagnoses", {}).get("items", schema)
    return item


def diagnosis(schema: Schema, categories: Sequence[str], other: str | None = None) -> Schema:
    """Return the diagnosis schema; with categories, each diagnosis that has one must name one of them.

    Args:
        schema: That of one diagnosis, or of a list of them.
        categories: Ids; none where the teacher gives names of its own.
        other: What may be said instead of one, together with a name in the field `proposed`; None where nothing may.
    """
    listed = schema["properties"].get("diagnoses")
    item = one_diagnosis(schema)
    if not categories or "category" not in item["properties"]:
        return schema
    choices = [*categories, *filter(None, [other])]
    properties = {**item["properties"], "category": {"enum": choices}}
    required = [*item.get("required", ())]
    if other is not None:
        about = f"A short name of its own where the category is {other}; else empty."
        properties["proposed"] = {**item["properties"]["category"], "description": about}
        required.append("proposed")
    item = {**item, "properties": properties, "required": required}
    if listed is None:
        return item
    whole = {**schema["properties"], "diagnoses": {**listed, "items": item}}
    return {**schema, "properties": whole}


def strategy(
    schema: Schema, labelled: bool, told: Collection[str] = ("contrast", "kinds")
) -> Schema:
    """Return the strategy schema.

    Where targets are labels, the other side of a confusion is a label; where they are none, it is the contrast, and no
    rule and no kind is for some labels. What no writer is told is not asked for.

    Args:
        schema: The whole one.
        labelled: Whether targets are labels.
        told: What prompts of writers use.
    """
    for part in ("contrast", "kinds"):
        if part not in told:
            schema = without(schema, part)
    if labelled:
        return without(schema, "contrast")
    schema = without(schema, "pairs")
    properties = dict(schema["properties"])
    if "kinds" in properties:
        kinds = properties["kinds"]
        properties["kinds"] = {**kinds, "items": without(kinds["items"], "labels")}
    for name in ("must", "must_not"):
        rule = properties.get(name, {}).get("items", {}).get("properties", {}).get("rule")
        if rule is not None:
            properties[name] = {**properties[name], "items": rule}
    return {**schema, "properties": properties}


def without(schema: Schema, field: str) -> Schema:
    """Return the schema of a reply that is not asked for one of its fields."""
    properties = {name: part for name, part in schema["properties"].items() if name != field}
    required = [name for name in schema.get("required", ()) if name != field]
    return {**schema, "properties": properties, "required": required}


def most(schema: Schema) -> dict[str, int]:
    """Return for each text and list of a reply how many characters or items it may have, for its prompt to say."""
    limits = {
        name: part.get("maxItems", part.get("maxLength"))
        for name, part in schema["properties"].items()
    }
    return {name: limit for name, limit in limits.items() if limit is not None}


def rating(schema: Mapping[str, Any], low: int, high: int) -> dict[str, Any]:
    """Return the rating schema for a scale from `low` to `high`."""
    number = {**schema["properties"]["rating"], "minimum": low, "maximum": high}
    return {**schema, "properties": {**schema["properties"], "rating": number}}


SPARE_ITEMS = 2
"""Items that a reply may have too many: one that speaks of a row twice is read, not refused as a whole."""


def per_row(schema: Schema, key: str, count: int, parts: Mapping[str, Schema] = {}) -> Schema:
    """Return the schema of a reply with an item per row; a schema without a list of them as it is.

    Args:
        schema: The schema.
        key: The list of items.
        count: Rows of the call.
        parts: Fields of an item whose schema follows from the recipe; those that an item does not have are left out.
    """
    if key not in schema["properties"]:
        return schema
    rows = schema["properties"][key]
    fields = rows["items"]["properties"]
    own = {name: part for name, part in parts.items() if name in fields}
    # What a part refers to stands at the top of a schema.
    shared = {
        place: part[place] for part in own.values() for place in _DEFINITIONS if place in part
    }
    plain = {
        name: {field: value for field, value in part.items() if field not in _DEFINITIONS}
        for name, part in own.items()
    }
    items = {**rows["items"], "properties": {**fields, **plain}}
    rows = {**rows, "items": items, "minItems": 1, "maxItems": count + SPARE_ITEMS}
    return {**schema, **shared, "properties": {**schema["properties"], key: rows}}


def or_none(schema: Schema) -> Schema:
    """Return the schema of an answer that may be left open."""
    return {"anyOf": [schema, {"type": "null"}]}


def longest_text(texts: Iterable[str]) -> int:
    """Return the most characters a generated text may have: a quarter more than the longest of some, 40 to LONGEST."""
    return max(40, min(LONGEST, 5 * max(map(len, texts), default=80) // 4))


_LIMITS: dict[int, tuple[Mapping[str, Any], int]] = {}


def token_limit(schema: Mapping[str, Any]) -> int:
    """Return a number of tokens that no reply to a bounded schema exceeds (one per character)."""
    # Made once per object: the requests of a node share theirs.
    known = _LIMITS.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_LIMITS) >= _MOST_KNOWN:
            _LIMITS.clear()
        parts = {f"#/{k}/{n}": v for k in _DEFINITIONS for n, v in schema.get(k, {}).items()}
        known = _LIMITS[id(schema)] = (schema, _limit(schema, parts))
    return known[1]


def reply_tokens(schema: Mapping[str, Any]) -> Range:
    """Return the expected tokens of a reply to a bounded schema: from a tenth to a third of its `token_limit`."""
    limit = token_limit(schema)
    return Range(limit / 10, limit / 3)


def _limit(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> int:
    if "enum" in schema or "const" in schema:
        allowed = schema["enum"] if "enum" in schema else [schema["const"]]
        return max(len(json.dumps(choice)) for choice in allowed)
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in schema.get(key, ())]
    if "$ref" in schema:
        parts.append(definitions[schema["$ref"]])
    types = schema.get("type", ())
    limits = [
        _typed(schema, t, definitions) for t in ([types] if isinstance(types, str) else types)
    ]
    return max([*limits, *(_limit(part, definitions) for part in parts if part)], default=_SHORT)


def _typed(schema: Mapping[str, Any], kind: str, definitions: Mapping[str, Any]) -> int:
    if kind == "string":
        return int(schema["maxLength"] if "maxLength" in schema else _width(schema["pattern"])) + 2
    if kind == "array":
        parts = [*schema.get("prefixItems", ()), schema.get("items")]
        longest = max((_limit(part, definitions) for part in parts if part), default=0)
        return int(schema["maxItems"]) * (longest + 2) + 2
    if kind == "object":
        fields = schema.get("properties", {}).items()
        return sum(len(name) + 6 + _limit(value, definitions) for name, value in fields) + 2
    return _SHORT


def _width(pattern: str) -> int:
    """Return a number of characters that no text of a pattern with an end exceeds, LONGEST at most."""
    times = (int(most) for most in re.findall(r"[{,](\d+)\}", pattern))
    return min(LONGEST, len(pattern) * math.prod(max(1, most) for most in times))
