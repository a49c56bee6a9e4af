"""Values invented for a JSON Schema: the same for the same random numbers, always valid.

Knows the keywords that the engine's own schemas use; a schema with others gets a value that
validation may refuse, which is then an ordinary invalid reply.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.protocol import Request
from engine.backends.scripting.words import last_user_message, words_of

FREE_ITEMS = 3
"""Most items invented for an array."""
FREE_WORDS = 12
"""Most words invented for a text."""


def invented(request: Request) -> str:
    """Return a reply that keeps to a request's schema; its texts are words of the last user message."""
    words = words_of(last_user_message(request.messages)) or ["nothing"]
    if request.schema is None:
        return " ".join(words)
    value = instance(request.schema, random.Random(request.id), words)
    return json.dumps(value, ensure_ascii=False)


def instance(schema: Mapping[str, Any], rng: random.Random, words: Sequence[str]) -> Any:
    """Return a value that keeps to `schema`, its texts made of `words`."""
    return _value(schema, schema, rng, words)


def _value(
    schema: Mapping[str, Any], root: Mapping[str, Any], rng: random.Random, words: Sequence[str]
) -> Any:
    if "$ref" in schema:
        return _value(_definition(schema["$ref"], root), root, rng, words)
    if "const" in schema or "enum" in schema:
        return rng.choice(list(schema.get("enum", [schema.get("const")])))
    if choices := schema.get("anyOf", schema.get("oneOf")):
        return _value(rng.choice(list(choices)), root, rng, words)
    match kind := _kind(schema):
        case "object":
            return {
                name: _value(part, root, rng, words)
                for name, part in schema.get("properties", {}).items()
            }
        case "array":
            return _items(schema, root, rng, words)
        case "string":
            return _text(schema, rng, words)
        case "integer" | "number":
            return _number(schema, kind, rng)
        case "boolean":
            return rng.random() < 0.5
        case _:
            return None


def _kind(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type", "object")
    return kinds if isinstance(kinds, str) else next(kind for kind in kinds if kind != "null")


def _definition(reference: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    definition: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        definition = definition[part] if part else definition
    return definition if isinstance(definition, Mapping) else {}


def _items(
    schema: Mapping[str, Any], root: Mapping[str, Any], rng: random.Random, words: Sequence[str]
) -> list[Any]:
    least = int(schema.get("minItems", 0))
    most = min(int(schema.get("maxItems", FREE_ITEMS)), max(least, FREE_ITEMS))
    count = rng.randint(min(max(least, 1), most), most)
    return [_value(schema.get("items", {}), root, rng, words) for _ in range(count)]


def _text(schema: Mapping[str, Any], rng: random.Random, words: Sequence[str]) -> str:
    """Return a stretch of the words with some left out: close to what it came from, but not it."""
    count = rng.randint(min(3, len(words)), min(FREE_WORDS, len(words)))
    start = rng.randrange(len(words) - count + 1)
    stretch = [word for word in words[start : start + count] if rng.random() < 0.9]
    text = " ".join(stretch or words[start : start + 1])
    while len(text) < int(schema.get("minLength", 0)):
        text += " " + rng.choice(words)
    return text[: int(schema.get("maxLength", len(text)))]


def _number(schema: Mapping[str, Any], kind: str, rng: random.Random) -> int | float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 10))
    if kind == "number":
        share = rng.uniform(0.01, 0.99)
        return float(low + (high - low) * share)
    inner_low = low + 1 if "exclusiveMinimum" in schema else low
    inner_high = high - 1 if "exclusiveMaximum" in schema else high
    return rng.randint(int(inner_low), max(int(inner_low), int(inner_high)))
