"""What a part of a JSON Schema says in words: types, defaults, the mappings below it, an example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.bounds import LARGEST, SMALLEST

Schema = dict[str, Any]
_NAMES = {"string": "text", "integer": "whole number", "boolean": "true or false"}
MOST_CHOICES = 12
"""More are listed in a table of their own."""


def values_of(schema: Schema) -> Schema | None:
    """Return what stands under names of the author's own in a mapping; None where it has only keys that are known."""
    if isinstance(schema.get("additionalProperties"), dict):
        return schema["additionalProperties"]  # type: ignore[no-any-return]
    # Names that must look a certain way.
    return next(iter(schema.get("patternProperties", {}).values()), None)


class Shapes:
    """The named parts of a schema."""

    def __init__(self, parts: Mapping[str, Schema]) -> None:
        """Take `$defs`."""
        self.parts = parts

    def whole(self, schema: Schema) -> Schema:
        """Return a part with its reference followed and `null` left out: what stands there where anything does."""
        if "$ref" in schema:
            return self.whole(self.parts[schema["$ref"].rpartition("/")[2]])
        options = [o for o in schema.get("anyOf", []) if o.get("type") != "null"]
        if len(options) == 1 and not schema.get("properties"):
            return self.whole(options[0])
        return schema

    def branches(self, schema: Schema) -> list[Schema]:
        """Return the mappings that may stand in one place, itself where there is one."""
        found = [o for o in schema.get("anyOf", []) if "properties" in o]
        return found or [schema]

    def of_role(self, path: str) -> Schema:
        """Return the schema of a model by its key: `models.student`."""
        return self.parts[f"{path.rpartition('.')[2].capitalize()}Model"]

    def varies(self, branches: Sequence[Schema], key: str) -> bool:
        """Return whether a key is missing in a branch, or not the same in all."""
        found = [json.dumps(b["properties"].get(key), sort_keys=True) for b in branches]
        return len(set(found)) > 1

    def mapping(self, schema: Schema) -> Schema | None:
        """Return the mapping with keys of its own that a part is, or is a list of; None for anything else."""
        whole = self.whole(schema)
        if whole.get("type") == "array":
            return self.mapping(whole.get("items", {}))
        if whole.get("properties") is not None:
            return whole
        for option in whole.get("anyOf", []):
            if (found := self.mapping(option)) is not None:
                return whole if "properties" in option else found
        return None


def children(shapes: Shapes, path: str, part: Schema) -> Iterator[tuple[list[str], Schema]]:
    """Yield the mappings below one: the paths under which the same stands, and what stands there."""
    found: dict[str, tuple[list[str], Schema]] = {}
    for key, schema in part.get("properties", {}).items():
        mapping = shapes.mapping(schema)
        if mapping is None:
            continue
        whole = f"{path}.{key}" if path else key
        same = "models" if path == "models" and f"{key.capitalize()}Model" in shapes.parts else ""
        found.setdefault(same or json.dumps(mapping), ([], mapping))[0].append(whole)
    yield from found.values()


def type_of(shapes: Shapes, schema: Schema) -> str:
    """Return in words what may stand in a place."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        if len(schema["enum"]) > MOST_CHOICES:
            return "one of the names below"
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "$ref" in schema:
        return type_of(shapes, shapes.whole(schema))
    if "anyOf" in schema:
        options = [type_of(shapes, o) for o in schema["anyOf"] if o.get("type") != "null"]
        return " or ".join(dict.fromkeys(options))
    kind = schema.get("type")
    if kind == "array":
        items = type_of(shapes, schema["items"]) if schema.get("items") else "anything"
        return f"list of: {items}"
    if kind == "object" or "properties" in schema:
        values = values_of(schema)
        return "mapping" if values is None else f"names with: {type_of(shapes, values)}"
    return f"{_NAMES.get(str(kind), str(kind or 'anything'))}{_bounds(schema)}"


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    # What no column of the store takes says nothing of what is meant.
    low, high = None if low == SMALLEST else low, None if high == LARGEST else high
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    said = [f"{low} to {high}"] if low is not None and high is not None else []
    if not said:
        said += [f"from {low}"] if low is not None else []
        said += [f"up to {high}"] if high is not None else []
    said += [f"above {above}"] if above is not None else []
    said += [f"below {below}"] if below is not None else []
    return f" ({', '.join(said)})" if said else ""


def default_of(shapes: Shapes, schema: Schema) -> str:
    """Return what holds when a key is left out; a dash where the meaning says it, or nothing is there."""
    default = schema.get("default")
    if default is None or default == "" or isinstance(default, dict):
        return "–"
    return f"`{json.dumps(default, ensure_ascii=False) if not isinstance(default, str) else default}`".replace(
        "|", "\\|"
    )


def example_of(shapes: Shapes, path: str, schema: Schema, examples: Mapping[str, Any]) -> Any:
    """Return an example of a key's value; None where the mapping that stands there has a section of its own.

    Raises:
        ValueError: there is none, and none follows from the schema.
    """
    if path in examples:
        return examples[path]
    if shapes.mapping(schema) is not None:
        return None
    whole = shapes.whole(schema)
    default = schema.get("default")
    if "const" in whole:
        return whole["const"]
    if "enum" in whole:
        return next((value for value in whole["enum"] if value != default), whole["enum"][0])
    if whole.get("type") == "boolean":
        return not default
    if default in (None, "", [], {}):
        raise ValueError(f"{path} has no example: add one to engine/spec/reference/examples.yaml")
    return default
