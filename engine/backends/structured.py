"""Structured replies: schemas that bound what may be said, and replies read strictly against them.

Knows no backend: every backend's replies pass through `read_reply`, whatever the backend promised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from engine import json_text, sandbox
from engine.errors import reason_of

if TYPE_CHECKING:
    from jsonschema_rs import Validator

_NESTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions")
_DEFINED = ("$defs", "definitions")
_REFERENCES = ("$ref", "$dynamicRef")
_PATTERNS = frozenset({"pattern", "patternProperties"})
_MOST_PARTS = 10_000
"""Of a schema, each counted as often as references lead to it."""
_UNENDING = ("*", "+", ",}")
_TYPES = {"string", "integer", "number", "boolean", "null", "array", "object"}


class Reply(NamedTuple):
    """A reply read against its schema: a `value`, or an `error` with its kind and what was wrong."""

    value: Any | None
    error: str | None = None
    """`invalid_json` or `schema`; None for a usable reply."""
    detail: str = ""


_OPENS, _CLOSES = "<think>", "</think>"
_JSON_OPENS = ("{", "[", '"')
_FENCE = "```"
_LANGUAGE = re.compile(r"[\w+-]*\s*")


def answer_of(text: str) -> str:
    """Return what a reply says behind thinking that it opens with: `<think>…</think>`, as reasoning models write it.

    Of some models the chat template has opened the block already, so that the reply holds its end alone.
    """
    said = text.lstrip()
    if said.startswith(_OPENS) or not said.startswith(_JSON_OPENS):
        _, closed, rest = said.partition(_CLOSES)
        return rest if closed else text
    return text


def json_of(text: str) -> str:
    """Return the JSON of a reply: what it says behind thinking, out of the code block in which it stands.

    That is from the first fence to the last: JSON may hold some itself, and of two blocks none is JSON.
    """
    said = text.lstrip()
    if said.startswith(_JSON_OPENS) or only_thinks(text):
        return text
    said = said if said.startswith(_FENCE) else answer_of(text)
    before, opens, fenced = said.partition(_FENCE)
    if not opens or before.lstrip().startswith(_JSON_OPENS):
        return said
    inside = _LANGUAGE.sub("", fenced, count=1)
    return inside.rpartition(_FENCE)[0] or inside


def only_thinks(text: str) -> bool:
    """Return whether a reply opens with thinking that does not end."""
    return text.lstrip().startswith(_OPENS) and _CLOSES not in text


def read_reply(text: str, schema: Mapping[str, Any] | None) -> Reply:
    """Parse and validate a reply; never raises, because a wrong reply is data. Plain text (no schema) is its value."""
    if schema is None:
        return Reply(text)
    try:
        value = json_text.parse(json_of(text))
    except ValueError as problem:
        return Reply(None, "invalid_json", str(problem))
    if why := _why_not(schema, value):
        return Reply(None, "schema", why)
    if value is None:
        # A schema may allow null, but a completion's value is None only when there is an error.
        return Reply(None, "schema", "the reply is null")
    return Reply(value)


_VALIDATORS: dict[int, tuple[Mapping[str, Any], Validator | str | None]] = {}
"""None stands for a schema that is costly and is used apart; a text says why it is not used any more."""


def _why_not(schema: Mapping[str, Any], value: Any) -> str:
    """Return how a value breaks its schema; nothing where it does not.

    The validator of a schema is made once per object: the requests of a node share theirs.
    """
    known = _VALIDATORS.get(id(schema))
    if known is None or known[0] is not schema:
        if len(_VALIDATORS) >= 256:
            _VALIDATORS.clear()
        made = None if is_costly(schema) else _compile(schema)
        known = _VALIDATORS[id(schema)] = (schema, made)
    if isinstance(known[1], str):
        return known[1]
    if known[1] is not None:
        return "" if known[1].is_valid(value) else _violation(known[1], schema, value)
    try:
        return sandbox.call(_why_not_apart, schema, value, text="")
    except sandbox.Overrun as overrun:
        why = f"$: to hold it against its schema {overrun.why}"
        _VALIDATORS[id(schema)] = (schema, why)
        return why


def _why_not_apart(schema: Mapping[str, Any], value: Any) -> str:
    validator = _compile(schema)
    if validator.is_valid(value):
        return ""
    first = next(validator.iter_errors(value))
    return f"{_path(first.instance_path)}: {first.message[:300]}"


def _compile(schema: Mapping[str, Any]) -> Validator:
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(dict(schema), offline=True)


def _violation(validator: Validator, schema: Mapping[str, Any], value: Any) -> str:
    """Say where and how a value breaks its schema.

    jsonschema picks the error that explains most, and models and people read its words in correction turns and
    reports. Only for replies that fail: it is many times slower.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from referencing import Registry

    error = None
    # Python's regular expressions may take for ever; those of the validator that decides do not.
    if not _has_pattern(schema):
        try:
            # With a registry of its own it fetches nothing that a schema refers to.
            strict = Draft202012Validator(dict(schema), registry=Registry())
            error = best_match(strict.iter_errors(value))
        except Exception:
            # Python's floats do not know all of JSON Schema's, nor is its stack as deep as a value.
            error = None
    if error is not None:
        return f"{error.json_path}: {error.message[:300]}"
    first = next(validator.iter_errors(value))
    return f"{_path(first.instance_path)}: {first.message[:300]}"


def _has_pattern(part: Any) -> bool:
    if isinstance(part, Mapping):
        return not _PATTERNS.isdisjoint(part) or any(map(_has_pattern, part.values()))
    return isinstance(part, list | tuple) and any(map(_has_pattern, part))


def _path(steps: Sequence[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def invalid_schema(schema: Mapping[str, Any]) -> str | None:
    """Return why something is no JSON Schema, as "where: what"; None where replies can be validated by it."""
    if is_costly(schema):
        try:
            return sandbox.call(_invalid, schema, text="")
        except sandbox.Overrun as overrun:
            return f"$: to read it {overrun.why}"
    return _invalid(schema)


def _invalid(schema: Mapping[str, Any]) -> str | None:
    from jsonschema_rs import ValidationError

    try:
        _compile(schema)
    except ValidationError as problem:
        return f"{_path(problem.instance_path)}: {problem.message[:200]}"
    except Exception as problem:
        return f"$: {reason_of(problem)[:200]}"
    return None


def unbounded(schema: Mapping[str, Any]) -> list[str]:
    """Return what in a schema lets a reply grow without end, each as "where: what"; empty if bounded.

    A string needs `maxLength`, `enum`, `const` or a `pattern` with an end, an array `maxItems`, an
    object `additionalProperties: false`; a schema that refers to itself has no end either.
    """
    problems = list(_unbounded(schema, "$"))
    if _refers_to_itself(schema):
        problems.append("$: refers to itself through $ref")
    elif is_costly(schema):
        problems.append(f"$: through $ref it stands for more than {_MOST_PARTS:,} parts")
    return problems


def _unbounded(schema: Any, where: str) -> Iterator[str]:
    if schema is False:
        return
    if not isinstance(schema, Mapping):
        yield f"{where}: anything is allowed"
        return
    if "enum" in schema or "const" in schema:
        return
    yield from _nested(schema, where)
    if "$ref" in schema or any(key in schema for key in _NESTED[:3]):
        return
    types = schema.get("type")
    if types is None:
        yield f"{where}: no type"
        return
    for kind in [types] if isinstance(types, str) else types:
        yield from _unbounded_type(schema, kind, where)


def _nested(schema: Mapping[str, Any], where: str) -> Iterator[str]:
    for key in _NESTED:
        for position, part in enumerate(schema.get(key, ())):
            yield from _unbounded(part, f"{where}.{key}[{position}]")
    for key in _NAMED:
        for name, part in schema.get(key, {}).items():
            yield from _unbounded(part, f"{where}.{name}")
    if "items" in schema:
        yield from _unbounded(schema["items"], f"{where}.items")


def _unbounded_type(schema: Mapping[str, Any], kind: str, where: str) -> Iterator[str]:
    if kind not in _TYPES:
        yield f"{where}: unknown type {kind!r}"
    elif kind == "string" and "maxLength" not in schema and not _pattern_ends(schema):
        yield f"{where}: a string without maxLength, enum, const or a pattern with an end"
    elif kind == "array" and "maxItems" not in schema:
        yield f"{where}: an array without maxItems"
    elif kind == "array" and "items" not in schema and "prefixItems" not in schema:
        yield f"{where}: an array without items"
    elif kind == "object" and schema.get("additionalProperties") is not False:
        yield f"{where}: an object without additionalProperties: false"


def _pattern_ends(schema: Mapping[str, Any]) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or not (pattern.startswith("^") and pattern.endswith("$")):
        return False
    return not any(mark in pattern.replace("\\*", "").replace("\\+", "") for mark in _UNENDING)


def _refers_to_itself(schema: Mapping[str, Any]) -> bool:
    """Return whether following `$ref`s into the schema's own definitions comes back to a place."""
    parts = _places(schema)
    leads = {name: set(_references(part)) for name, part in parts.items()}
    # Places that lead nowhere any more are taken away, until there are none: what is left goes in circles.
    while ends := [name for name, to in leads.items() if not to & leads.keys()]:
        for name in ends:
            del leads[name]
    return bool(leads)


def is_costly(schema: Mapping[str, Any]) -> bool:
    """Return whether holding a value against a schema could take for ever: references go in circles, or multiply."""
    if not any(True for _ in _references(schema)):
        return False
    sizes: dict[str, float] = {}

    def size(part: Any) -> float:
        if isinstance(part, list | tuple):
            return sum(map(size, part))
        if not isinstance(part, Mapping):
            return 0
        total = 1 + sum(size(value) for key, value in part.items() if key not in _DEFINED)
        for key in _REFERENCES:
            if isinstance(to := part.get(key), str):
                total += of(to)
        return total

    def of(to: str) -> float:
        if to not in sizes:
            sizes[to] = math.inf
            sizes[to] = size(_pointed(schema, to))
        return sizes[to]

    return size(schema) > _MOST_PARTS


def _pointed(schema: Any, to: str) -> Any:
    """Return the part of a schema that a reference leads to; the whole of it where that cannot be told."""
    part = schema
    for step in to.removeprefix("#").split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(part, Mapping) and name in part:
            part = part[name]
        elif isinstance(part, list) and name.isdigit() and int(name) < len(part):
            part = part[int(name)]
        else:
            return schema
    return part


def unresolved(schema: Mapping[str, Any]) -> list[str]:
    """Return the references that lead out of the schema's own definitions; following them could fetch anything."""
    parts = _places(schema)
    named = {to for part in parts.values() for to in _references(part)}
    return sorted(named - parts.keys())


def _places(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a `$ref` may lead to: the schema itself and its definitions."""
    parts: dict[str, Any] = {"#": schema}
    for key in ("$defs", "definitions"):
        definitions = schema.get(key)
        if isinstance(definitions, Mapping):
            parts |= {f"#/{key}/{name}": part for name, part in definitions.items()}
    return parts


_BY_NAME = frozenset({"properties", "patternProperties", "dependentSchemas"})


def _references(part: Any) -> Iterator[str]:
    """Yield the `$ref`s of a schema, without those in its definitions."""
    if isinstance(part, Mapping):
        for key in _REFERENCES:
            if isinstance(part.get(key), str):
                yield part[key]
        for key, value in part.items():
            if key in _BY_NAME and isinstance(value, Mapping):
                # What stands here are names, whatever they look like.
                for named in value.values():
                    yield from _references(named)
            elif key not in (*_DEFINED, "enum", "const"):
                yield from _references(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _references(value)
