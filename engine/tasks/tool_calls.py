"""Calls of tools: read out of what a student writes, put into one form, held against the tools' definitions.

Read are the forms that open models write: `<tool_call>…</tool_call>` (Hermes, Qwen), `[TOOL_CALLS]` (Mistral),
`<|python_tag|>` and a bare object (Llama), a list of objects; with `arguments` or `parameters`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from engine import json_text
from engine.backends.structured import read_reply, unbounded
from engine.fingerprint import canonical
from engine.registry import did_you_mean
from engine.tasks.conversation import read_call

Definitions = Sequence[Mapping[str, Any]]
"""Tools in the OpenAI format."""
_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|</?\w*\Z|\Z)", re.S)
_MARKED = re.compile(r"(?:\[TOOL_CALLS\]|<\|python_tag\|>)\s*(.*)\Z", re.S)
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.S | re.I)
_LONGEST_VALUE, _LONGEST_LIST, _LONGEST_ARGUMENTS = 160, 6, 400
_ELSEWHERE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "patternProperties"})
"""Where a schema may have arguments beside its own properties."""
MOST_CALLS = 4
"""Calls of one turn that a writer may give."""


class Spoken(NamedTuple):
    """What a turn says, and the calls in it."""

    text: str
    calls: tuple[Mapping[str, Any], ...] = ()


@lru_cache(maxsize=1024)
def definitions(tools: str) -> Definitions:
    """Return the definitions in the text of a turn `tools`; one object per text, so that validators are made once."""
    parsed: Definitions = json.loads(tools) if tools else ()
    return parsed


def name_of(tool: Mapping[str, Any]) -> str:
    """Return a tool's name."""
    return str(tool["function"]["name"])


def spoken_in(text: str, tools: Definitions) -> Spoken | None:
    """Return what a written turn says and calls; None where a call in it cannot be read.

    An object that stands for itself is a call only where it names one of the tools.
    """
    if tagged := _TAGGED.search(text):
        found = [_calls(match[1]) for match in _TAGGED.finditer(text)]
        before = text[: tagged.start()].strip()
    elif marked := _MARKED.search(text):
        found, before = [_calls(marked[1])], text[: marked.start()].strip()
    else:
        fenced = _FENCED.fullmatch(text)
        bare = (fenced[1] if fenced else text).strip()
        calls = _calls(bare) if tools and bare[:1] in ("{", "[") else None
        names = {name_of(tool) for tool in tools}
        if not calls or any(call["name"] not in names for call in calls):
            return Spoken(text.strip())
        found, before = [calls], ""
    if any(calls is None for calls in found):
        return None
    return Spoken(before, tuple(call for calls in found for call in calls or ()))


def _calls(text: str) -> list[dict[str, Any]] | None:
    """Return the calls in a JSON text: one, or a list of them; None where it is none."""
    try:
        value = json_text.parse(text.strip().rstrip(";"))
        listed = value if isinstance(value, list) else [value]
        return [read_call(call) for call in listed] or None
    except ValueError:
        return None


def settled(call: Mapping[str, Any], tools: Definitions) -> dict[str, Any]:
    """Return a call in the form in which calls are compared: what equals a default is left out, 2.0 is 2."""
    arguments = {name: _plain(value) for name, value in call["arguments"].items()}
    tool = next((tool for tool in tools if name_of(tool) == call["name"]), None)
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
        return {key: _plain(part) for key, part in sorted(value.items())}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value


def invalid(call: Mapping[str, Any], tools: Definitions) -> str | None:
    """Return why a call is of none of these tools, or does not fit its definition; None where no tool is known."""
    if not tools:
        return None
    tool = next((tool for tool in tools if name_of(tool) == call["name"]), None)
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
        f"{name}{'' if name in required else '?'}: {_type(part)}"
        for name, part in schema.get("properties", {}).items()
    ]
    about = " ".join(str(function.get("description", "")).split())
    return f"{function['name']}({', '.join(parts)})" + (f": {about}" if about else "")


def _type(part: Any) -> str:
    if not isinstance(part, Mapping):
        return "any"
    if "enum" in part:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in part["enum"])
    kind = part.get("type", "any")
    about = " ".join(str(part.get("description", "")).split())
    said = kind if isinstance(kind, str) else " | ".join(map(str, kind))
    return f"{said} ({about})" if about else said


def call_schema(tools: Definitions) -> dict[str, Any]:
    """Return the JSON Schema of a call that a writer gives: of one of the tools.

    Where a definition cannot be bounded, the arguments are JSON text.
    """
    known = [
        _object({"name": {"const": name_of(tool)}, "arguments": arguments})
        for tool in tools
        if not unbounded(arguments := _bounded(tool["function"]["parameters"]))
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


def _bounded(schema: Any) -> dict[str, Any]:
    """Return a schema without prose in which nothing grows without end, where its parts say their types."""
    if not isinstance(schema, Mapping):
        return {"type": "string", "maxLength": _LONGEST_VALUE}
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return {several: [_bounded(part) for part in schema[several]]}
    if "enum" in schema or "const" in schema:
        return {key: schema[key] for key in ("enum", "const") if key in schema}
    kind = schema.get("type")
    kept = {
        key: value
        for key, value in schema.items()
        if key in ("type", "minimum", "maximum", "minLength", "minItems", "pattern", "$ref")
    }
    if kind == "string":
        kept["maxLength"] = min(int(schema.get("maxLength", _LONGEST_VALUE)), _LONGEST_VALUE)
    elif kind == "array":
        kept["items"] = _bounded(schema.get("items"))
        kept["maxItems"] = min(int(schema.get("maxItems", _LONGEST_LIST)), _LONGEST_LIST)
    elif kind == "object":
        parts = schema.get("properties", {})
        kept["properties"] = {name: _bounded(part) for name, part in parts.items()}
        kept["required"] = [name for name in schema.get("required", ()) if name in parts]
        kept["additionalProperties"] = False
    elif kind is None and "$ref" not in schema:
        return {"type": ["string", "number", "boolean"], "maxLength": _LONGEST_VALUE}
    return kept
