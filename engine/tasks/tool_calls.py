"""Calls of tools: put into one form, held against the tools' definitions, and told to a writer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from engine.backends.structured import read_reply, unbounded
from engine.fingerprint import canonical
from engine.registry import did_you_mean
from engine.turns.calls import Definitions, name_of
from engine.turns.schemas import choices_in, referred

_LONGEST_VALUE, _LONGEST_LIST, _LONGEST_ARGUMENTS = 160, 6, 400
_ELSEWHERE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "patternProperties"})
"""Where a schema may have arguments beside its own properties."""
_DEEPEST = 4
"""References, one within the other, that are told in place: what is told grows with each."""
_ENDLESS = {"type": "array"}
"""What `unbounded` finds no end in."""
MOST_CALLS = 4
"""Calls of one turn that a writer may give."""


@lru_cache(maxsize=1024)
def definitions(tools: str) -> Definitions:
    """Return the definitions in the text of a turn `tools`; one object per text, so that validators are made once."""
    parsed: Definitions = json.loads(tools) if tools else ()
    return parsed


def settled(call: Mapping[str, Any], tools: Definitions) -> dict[str, Any]:
    """Return a call in the form in which calls are compared: nulls and what equals a default are left out, 2.0 is 2."""
    arguments = _plain(call["arguments"])
    tool = _tool(call, tools)
    if tool is not None:
        schema = tool["function"]["parameters"]
        properties, required = schema.get("properties", {}), schema.get("required", ())
        arguments = {
            name: value
            for name, value in arguments.items()
            if name in required
            or not isinstance(properties.get(name), Mapping)
            or "default" not in properties[name]
            or canonical(_plain(properties[name]["default"])) != canonical(value)
        }
    return {"name": call["name"], "arguments": dict(sorted(arguments.items()))}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in sorted(value.items()) if part is not None}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def without_nulls(call: Mapping[str, Any], tools: Definitions) -> dict[str, Any]:
    """Return a call without the nulls that its tool's definition does not ask for.

    Parquet fills in null for each argument that another row's call has; a strict definition wants null for what is left
    out, and says so in the type.
    """
    tool = _tool(call, tools)
    root = {} if tool is None else tool["function"]["parameters"]
    return {"name": call["name"], "arguments": _pruned(call["arguments"], root, root)}


def _tool(call: Mapping[str, Any], tools: Definitions) -> Mapping[str, Any] | None:
    return next((tool for tool in tools if name_of(tool) == call["name"]), None)


def _pruned(value: Any, schema: Any, root: Mapping[str, Any]) -> Any:
    if isinstance(value, list | tuple):
        items = [found["items"] for found in choices_in(schema, root) if "items" in found]
        return [_pruned(part, {"anyOf": items}, root) for part in value]
    if not isinstance(value, Mapping):
        return value
    choices = choices_in(schema, root)
    required = {name for found in choices for name in found.get("required") or ()}
    kept = {}
    for name, part in value.items():
        own = {"anyOf": [found for choice in choices for found in _property(choice, name)]}
        if part is not None or any(_takes_null(c, name in required) for c in choices_in(own, root)):
            kept[name] = _pruned(part, own, root)
    return kept


def _property(schema: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yield what an object's schema says of one property."""
    properties = schema.get("properties") or {}
    if name in properties:
        yield properties[name]
    elif isinstance(others := schema.get("additionalProperties"), Mapping):
        yield others


def _takes_null(schema: Mapping[str, Any], is_required: bool) -> bool:
    if schema.get("nullable") is True:
        return True
    if "enum" in schema or "const" in schema:
        return None in (schema.get("enum") or ()) or schema.get("const", "") is None
    if "type" in schema:
        return schema["type"] == "null" or "null" in list(schema["type"])
    # One that says nothing takes anything; where it may be left out, its null is more likely Parquet's.
    return is_required and not (_ELSEWHERE & schema.keys())


def invalid(call: Mapping[str, Any], tools: Definitions) -> str | None:
    """Return why a call is of none of these tools, or does not fit its definition; None where no tool is known.

    Nulls that `without_nulls` takes away are no fault.
    """
    if not tools:
        return None
    call = without_nulls(call, tools)
    tool = _tool(call, tools)
    if tool is None:
        names = [name_of(tool) for tool in tools]
        hint = did_you_mean(call["name"], names) or f"they are: {', '.join(names)}"
        return f"it calls '{call['name']}', which is none of its tools ({hint})"
    schema = tool["function"]["parameters"]
    known = schema.get("properties", {})
    closed = schema.get("additionalProperties", False) is False
    if (
        closed
        and not _ELSEWHERE & schema.keys()
        and (strange := next((name for name in call["arguments"] if name not in known), None))
    ):
        hint = did_you_mean(strange, known) or f"they are: {', '.join(known) or 'none'}"
        return f"'{call['name']}' has no argument '{strange}' ({hint})"
    reply = read_reply(json.dumps(call["arguments"]), schema)
    return (
        None
        if reply.error is None
        else f"the arguments of '{call['name']}' do not fit: {reply.detail}"
    )


def signature(tool: Mapping[str, Any]) -> str:
    """Return a tool on one line: `find_order(number: integer, since?: string): what it does`."""
    function = tool["function"]
    schema = function["parameters"]
    required = schema.get("required", ())
    parts = [
        f"{name}{'' if name in required else '?'}: {_type(part, schema)}"
        for name, part in schema.get("properties", {}).items()
    ]
    about = " ".join(str(function.get("description", "")).split())
    return f"{function['name']}({', '.join(parts)})" + (f": {about}" if about else "")


def _type(part: Any, root: Mapping[str, Any]) -> str:
    types: dict[str, None] = {}
    for choice in choices_in(part, root):
        if "enum" in choice:
            values = (json.dumps(value, ensure_ascii=False) for value in choice["enum"])
            types |= dict.fromkeys(values)
        elif isinstance(kind := choice.get("type", ()), str):
            types[kind] = None
        else:
            types |= dict.fromkeys(map(str, kind))
    about = " ".join(str(part.get("description", "")).split()) if isinstance(part, Mapping) else ""
    return " | ".join(types or ["any"]) + (f" ({about})" if about else "")


def call_schema(tools: Definitions) -> dict[str, Any]:
    """Return the JSON Schema of a call that a writer gives: of one of the tools.

    Where a definition cannot be bounded, the arguments are JSON text.
    """
    known = [
        _object({"name": {"const": name_of(tool)}, "arguments": arguments})
        for tool in tools
        for parameters in [tool["function"]["parameters"]]
        if not unbounded(arguments := _bounded(parameters, parameters))
    ]
    if len(known) == len(tools):
        return known[0] if len(known) == 1 else {"anyOf": known}
    named = {"enum": [name_of(tool) for tool in tools]}
    text = {"type": "string", "minLength": 2, "maxLength": _LONGEST_ARGUMENTS}
    return _object({"name": named, "arguments": text})


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _bounded(schema: Any, root: Mapping[str, Any], above: tuple[int, ...] = ()) -> dict[str, Any]:
    """Return a schema without prose in which nothing grows without end, where its parts say their types.

    What it refers to stands in its place; what refers to itself is left as it is, and has no end.
    """
    if not isinstance(schema, Mapping):
        return {"type": "string", "maxLength": _LONGEST_VALUE}
    if (target := referred(schema, root)) is not None:
        if id(target) in above or len(above) == _DEEPEST:
            return dict(_ENDLESS)
        return _bounded(target, root, (*above, id(target)))
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return {several: [_bounded(part, root, above) for part in schema[several]]}
    if "enum" in schema or "const" in schema:
        return {key: schema[key] for key in ("enum", "const") if key in schema}
    if not schema.get("type"):
        return {"type": ["string", "number", "boolean"], "maxLength": _LONGEST_VALUE}
    return _bounded_types(schema, root, above)


def _bounded_types(
    schema: Mapping[str, Any], root: Mapping[str, Any], above: tuple[int, ...]
) -> dict[str, Any]:
    types = schema["type"]
    kept = {
        key: value
        for key, value in schema.items()
        if key in ("type", "minimum", "maximum", "minLength", "minItems", "pattern")
    }
    if "string" in types:
        kept["maxLength"] = min(int(schema.get("maxLength", _LONGEST_VALUE)), _LONGEST_VALUE)
    if "array" in types:
        kept["items"] = _bounded(schema.get("items"), root, above)
        kept["maxItems"] = min(int(schema.get("maxItems", _LONGEST_LIST)), _LONGEST_LIST)
    if "object" in types:
        parts = schema.get("properties", {})
        kept["properties"] = {name: _bounded(part, root, above) for name, part in parts.items()}
        kept["required"] = [name for name in schema.get("required", ()) if name in parts]
        kept["additionalProperties"] = False
    return kept
