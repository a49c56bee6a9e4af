"""Structured replies: schemas that bound what may be said, and replies read strictly against them.

Knows no backend: every backend's replies pass through `read_reply`, whatever the backend promised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from engine import json_text

_NESTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "$defs", "definitions")
_UNENDING = ("*", "+", ",}")
_TYPES = {"string", "integer", "number", "boolean", "null", "array", "object"}


class Reply(NamedTuple):
    """A reply read against its schema: a `value`, or an `error` with its kind and what was wrong."""

    value: Any | None
    error: str | None = None
    """`invalid_json` or `schema`; None for a usable reply."""
    detail: str = ""


def read_reply(text: str, schema: Mapping[str, Any] | None) -> Reply:
    """Parse and validate a reply; never raises, because a wrong reply is data. Plain text (no schema) is its value."""
    if schema is None:
        return Reply(text)
    try:
        value = json_text.parse(text)
    except ValueError as problem:
        return Reply(None, "invalid_json", str(problem))
    checks = _checks(schema)
    if checks.is_valid(value):
        # A schema may allow null, but a completion's value is None only when there is an error.
        return Reply(value) if value is not None else Reply(None, "schema", "the reply is null")
    from jsonschema.exceptions import best_match

    error = best_match(checks.validator.iter_errors(value))
    return Reply(None, "schema", f"{error.json_path}: {error.message[:300]}")


class _Checks:
    """jsonschema's check of one schema, behind a quick one.

    jsonschema makes a new validator for every property it descends into, and nearly all replies are right. What
    the quick check is sure of is valid; of everything else jsonschema itself says whether, where and why not.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema import Draft202012Validator

        self.schema = schema
        self.validator = Draft202012Validator(dict(schema))
        self._surely: _Check | None = None if _refers(schema) else _sure(self.validator, schema)

    def is_valid(self, value: Any) -> bool:
        if self._surely is not None and self._surely(value):
            return True
        return bool(self.validator.is_valid(value))


_Check = Callable[[Any], bool]


def _sure(validator: Any, schema: Any) -> _Check:
    """Return a function that holds only for values that fit the schema, and for nearly all that do."""
    if not isinstance(schema, Mapping):
        return lambda value: schema is True
    checks = [
        _SURE[keyword](wanted, schema, partial(_sure, validator))
        if keyword in _SURE
        else _as_jsonschema(validator, keyword, wanted, schema)
        for keyword, wanted in schema.items()
        if keyword in validator.VALIDATORS
    ]

    def check(value: Any) -> bool:
        for one in checks:  # noqa: SIM110 (a generator costs as much as the checks themselves)
            if not one(value):
                return False
        return True

    return check


def _as_jsonschema(validator: Any, keyword: str, wanted: Any, schema: Any) -> _Check:
    errors = validator.VALIDATORS[keyword]
    return lambda value: next(iter(errors(validator, wanted, value, schema) or ()), None) is None


def _sure_properties(wanted: Any, schema: Any, sure: Callable[[Any], _Check]) -> _Check:
    parts = [(name, sure(part)) for name, part in wanted.items()]

    def check(value: Any) -> bool:
        if type(value) is dict:
            for name, part in parts:
                if name in value and not part(value[name]):
                    return False
        return True

    return check


def _sure_items(wanted: Any, schema: Any, sure: Callable[[Any], _Check]) -> _Check:
    part, first = sure(wanted), len(schema.get("prefixItems", ()))
    return lambda value: type(value) is not list or all(map(part, value[first:]))


def _sure_type(wanted: Any, schema: Any, sure: Callable[[Any], _Check]) -> _Check:
    names = [wanted] if isinstance(wanted, str) else wanted
    classes = frozenset(kind for name in names for kind in _CLASSES.get(name, ()))
    return lambda value: type(value) in classes


def _sure_required(wanted: Any, schema: Any, sure: Callable[[Any], _Check]) -> _Check:
    needed = frozenset(wanted)
    return lambda value: type(value) is not dict or value.keys() >= needed


def _sure_additional(wanted: Any, schema: Any, sure: Callable[[Any], _Check]) -> _Check:
    named = schema.get("properties", {}).keys()
    return lambda value: type(value) is not dict or value.keys() <= named


def _sure_enum(wanted: Any, schema: Any, sure: Callable[[Any], _Check]) -> _Check:
    texts = {each for each in wanted if type(each) is str}
    return lambda value: type(value) is str and value in texts


_CLASSES: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,),
    "object": (dict,), "array": (list,), "null": (type(None),),
}  # fmt: skip
_SURE: dict[str, Callable[[Any, Any, Callable[[Any], _Check]], _Check]] = {
    "type": _sure_type,
    "properties": _sure_properties,
    "required": _sure_required,
    "additionalProperties": _sure_additional,
    "items": _sure_items,
    "maxItems": lambda wanted, *_: lambda value: type(value) is not list or len(value) <= wanted,
    "maxLength": lambda wanted, *_: lambda value: type(value) is not str or len(value) <= wanted,
    "minLength": lambda wanted, *_: lambda value: type(value) is not str or len(value) >= wanted,
    "minimum": lambda wanted, *_: lambda value: type(value) is int and value >= wanted,
    "maximum": lambda wanted, *_: lambda value: type(value) is int and value <= wanted,
    "enum": _sure_enum,
}
"""What is sure of JSON values, whose types are exactly these; `sure` makes the check of a part."""


def _refers(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        return any(key.startswith("$") or _refers(part) for key, part in schema.items())
    return isinstance(schema, list) and any(map(_refers, schema))


_CHECKS: dict[int, _Checks] = {}


def _checks(schema: Mapping[str, Any]) -> _Checks:
    """Return the checks of a schema, made once per object: the requests of a node share theirs."""
    known = _CHECKS.get(id(schema))
    if known is None or known.schema is not schema:
        if len(_CHECKS) >= 256:
            _CHECKS.clear()
        known = _CHECKS[id(schema)] = _Checks(schema)
    return known


def unbounded(schema: Mapping[str, Any]) -> list[str]:
    """Return what in a schema lets a reply grow without end, each as "where: what"; empty if bounded.

    A string needs `maxLength`, `enum`, `const` or a `pattern` with an end, an array `maxItems`, an
    object `additionalProperties: false`; a schema that refers to itself has no end either.
    """
    problems = list(_unbounded(schema, "$"))
    if _refers_to_itself(schema):
        problems.append("$: refers to itself through $ref")
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

    def returns(name: str, path: tuple[str, ...]) -> bool:
        return name in path or any(returns(to, (*path, name)) for to in leads.get(name, ()))

    return any(returns(name, ()) for name in parts)


def unresolved(schema: Mapping[str, Any]) -> list[str]:
    """Return the references that lead out of the schema's own definitions; following them could fetch anything."""
    parts = _places(schema)
    found = {to for part in parts.values() for to in _references(part)}
    return sorted(found - parts.keys())


def _places(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a `$ref` may lead to: the schema itself and its definitions."""
    parts: dict[str, Any] = {"#": schema}
    for key in ("$defs", "definitions"):
        parts |= {f"#/{key}/{name}": part for name, part in schema.get(key, {}).items()}
    return parts


def _references(part: Any) -> Iterator[str]:
    """Yield the `$ref`s of a schema, without those in its definitions."""
    if isinstance(part, Mapping):
        for key in ("$ref", "$dynamicRef"):
            if isinstance(part.get(key), str):
                yield part[key]
        for key, value in part.items():
            if key not in ("$defs", "definitions", "enum", "const"):
                yield from _references(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _references(value)
