"""Every key that a file of a kind may have, found by its dotted path in the kind's JSON Schema.

`augment.operators[].name` and `augment.operators.name` are one path. Where a place takes one of several mappings (task
kinds, operators, backends), the name of one may stand in the path: `augment.operators.persona.params`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.spec.package_data import shipped
from engine.spec.reference.shapes import Schema, Shapes, values_of
from engine.spec.reference.whole import as_whole

KINDS = ("recipe", "taxonomy", "operator", "method", "pack", "project")
"""Kinds of files; each begins with its own name as a key."""
_DEEPEST = 12


@dataclass(frozen=True)
class Key:
    """A key in one of the mappings that may stand in its place."""

    path: str
    """Its dotted path, without the names of branches."""
    branch: str
    """The mapping that has it, by name (`persona`); empty where all of its place have it."""
    schema: Mapping[str, Any]
    required: bool


@cache
def schema_of(kind: str) -> Schema:
    """Return the JSON Schema of a kind of file, as it comes with the engine; empty where there is none.

    Of recipes that of a whole one: what holds for those that extend another is told by its name.
    """
    file = shipped("schemas") / f"{kind}.schema.json"
    read: Schema = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    whole: Schema = as_whole(read) if kind == "recipe" else read
    return whole


def find(kind: str, path: str) -> list[Key]:
    """Return the keys at a path, one per mapping that has it; none where there is no such key."""
    shapes = Shapes(schema_of(kind).get("$defs", {}))
    reached: list[tuple[list[str], str, Schema, bool]] = [([], "", schema_of(kind), True)]
    for part in _parts(path):
        reached = [step for at in reached for step in _steps(shapes, *at, part)]
    found: dict[tuple[str, str], Key] = {}
    for names, branch, schema, required in reached:
        whole = ".".join(names)
        found.setdefault((whole, branch), Key(whole, branch, schema, required))
    return [key for key in found.values() if key.path]


def _parts(path: str) -> list[str]:
    """Return the parts of a path, without numbers of list items: `a.b[2].c`, `a.b[].c`, `a.b[name]`."""
    parts = re.split(r"[.\[]", path.replace("]", ""))
    return [part for part in parts if part and not part.isdigit()]


def _steps(
    shapes: Shapes, names: list[str], branch: str, schema: Schema, required: bool, part: str
) -> Iterator[tuple[list[str], str, Schema, bool]]:
    """Yield where one part of a path leads from a schema: to a key, or to the mapping that it names."""
    owners = list(mappings(shapes, schema))
    for owner in owners:
        keys = owner.get("properties", {})
        own = (branch_of(owner) if len(owners) > 1 else "") or branch
        if part in keys:
            yield [*names, part], own, keys[part], part in owner.get("required", [])
        elif own == part != branch:
            yield names, own, owner, required
        elif "properties" not in owner and (values := values_of(owner)) is not None:
            # A name of the author's own.
            yield [*names, part], own, values, False


def mappings(shapes: Shapes, schema: Schema) -> Iterator[Schema]:
    """Yield the mappings that may stand in a place, in the items of a list there, or under names of one's own."""
    for owner in _own_mappings(shapes, schema):
        yield owner
        if (values := values_of(owner)) is not None:
            # These are explained without a name, too.
            yield from mappings(shapes, values)


def _own_mappings(shapes: Shapes, schema: Schema) -> Iterator[Schema]:
    if "$ref" in schema:
        yield from _own_mappings(shapes, shapes.whole({"$ref": schema["$ref"]}))
    for option in schema.get("anyOf", []):
        yield from _own_mappings(shapes, option)
    if isinstance(schema.get("items"), dict):
        yield from _own_mappings(shapes, schema["items"])
    if "properties" in schema or values_of(schema) is not None:
        yield schema


@cache
def order(kind: str, path: tuple[str, ...]) -> Mapping[str, int]:
    """Return the keys of the mapping at a path with their places in the schema; nothing where names are free."""
    shapes = Shapes(schema_of(kind).get("$defs", {}))
    reached = [schema_of(kind)]
    for part in path:
        reached = [below for schema in reached for below in _below(shapes, schema, part)]
    names: dict[str, int] = {}
    for schema in reached:
        for owner in _own_mappings(shapes, schema):
            for name in owner.get("properties", {}):
                names.setdefault(name, len(names))
    return names


def _below(shapes: Shapes, schema: Schema, part: str) -> Iterator[Schema]:
    for owner in _own_mappings(shapes, schema):
        if part in owner.get("properties", {}):
            yield owner["properties"][part]
        elif (values := values_of(owner)) is not None:
            yield values


def branch_of(owner: Schema) -> str:
    """Return the name by which a mapping is told from others in its place; empty where it is alone."""
    consts = [part["const"] for part in owner.get("properties", {}).values() if "const" in part]
    return next((name for name in consts if isinstance(name, str)), "")


@cache
def paths(kind: str) -> Mapping[str, None]:
    """Return the dotted paths of all keys of a kind of file, in the order of its schema."""
    shapes = Shapes(schema_of(kind).get("$defs", {}))
    found: dict[str, None] = {}

    def look(schema: Schema, path: str, depth: int) -> None:
        for owner in mappings(shapes, schema) if depth < _DEEPEST else ():
            for key, prop in owner.get("properties", {}).items():
                whole = f"{path}.{key}" if path else key
                found[whole] = None
                look(prop, whole, depth + 1)

    look(schema_of(kind), "", 0)
    return found
