"""Calls of tools as models write them: read out of what is said, each an object of `name` and `arguments`.

Read are the forms that open models write: `<tool_call>…</tool_call>` (Hermes, Qwen), `[TOOL_CALLS]` before a list or
before `name[ARGS]{…}` (Mistral), `<function=name>…</function>` around JSON (Llama) or around one `<parameter=…>` for
each argument (Qwen3-Coder), `<|python_tag|>` and a bare object (Llama), a list of objects; with `arguments` or
`parameters`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine import json_text
from engine.turns.schemas import choices_in

Definitions = Sequence[Mapping[str, Any]]
"""Tools in the OpenAI format."""
_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|</?\w*\Z|\Z)", re.S)
_FUNCTION = re.compile(r"<function=([^>\n]+)>(.*?)(?:</function>|</?\w*\Z|\Z)", re.S)
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", re.S)
_MARKED = re.compile(r"(?:\[TOOL_CALLS\]|<\|python_tag\|>)\s*(.*)\Z", re.S)
_ARGS = re.compile(r"([^\s\[\]{}]+)\s*\[ARGS\]\s*(.*)", re.S)
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?```\s*", re.S | re.I)
_PYTHON = {"True": True, "False": False, "None": None}
"""What templates write of truth values in XML."""
_TYPES_OF: Mapping[type, frozenset[str]] = {
    str: frozenset({"string"}),
    bool: frozenset({"boolean"}),
    int: frozenset({"integer", "number"}),
    float: frozenset({"number"}),
    list: frozenset({"array"}),
    dict: frozenset({"object"}),
    type(None): frozenset({"null"}),
}
"""Types of JSON Schema of a JSON value."""


class Spoken(NamedTuple):
    """What a turn says, and the calls in it."""

    text: str
    calls: tuple[Mapping[str, Any], ...] = ()


def name_of(tool: Mapping[str, Any]) -> str:
    """Return a tool's name."""
    return str(tool["function"]["name"])


def spoken_in(text: str, tools: Definitions) -> Spoken | None:
    """Return what a written turn says and calls; None where a call in it cannot be read.

    An object that stands for itself is a call only where it names one of the tools, XML only where there are any.
    """
    found: list[list[dict[str, Any]] | None]
    if tagged := _TAGGED.search(text):
        found = [_one_form(match[1], tools) for match in _TAGGED.finditer(text)]
        before = text[: tagged.start()].strip()
    elif tools and (function := _FUNCTION.search(text)):
        found, before = [_functions(text, tools)], text[: function.start()].strip()
    elif marked := _MARKED.search(text):
        found, before = [_marked(marked[1])], text[: marked.start()].strip()
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


def _one_form(text: str, tools: Definitions) -> list[dict[str, Any]] | None:
    """Return the calls between `<tool_call>` and its end."""
    return _functions(text, tools) if text.startswith("<function=") else _calls(text)


def _functions(text: str, tools: Definitions) -> list[dict[str, Any]] | None:
    """Return the calls in `<function=name>…</function>`."""
    calls = []
    for match in _FUNCTION.finditer(text):
        name, inside = match[1].strip(), match[2].strip()
        if inside.startswith("{"):
            own = _calls(json.dumps({"name": name, "arguments": inside}))
            if own is None:
                return None
            calls += own
            continue
        if _PARAMETER.sub("", inside).strip():
            return None
        tool = next((tool for tool in tools if name_of(tool) == name), None)
        root = {} if tool is None else tool["function"]["parameters"]
        properties = root.get("properties", {})
        arguments = {
            one[1].strip(): _value(one[2], properties.get(one[1].strip()), root)
            for one in _PARAMETER.finditer(inside)
        }
        calls.append({"name": name, "arguments": arguments})
    return calls or None


def _value(text: str, schema: Any, root: Mapping[str, Any]) -> Any:
    """Return an argument whose type only its definition says: as JSON where that has such a type, else as it stands."""
    types = set(_types(schema, root))
    if types == {"string"}:
        return text
    try:
        value = _PYTHON[text.strip()] if text.strip() in _PYTHON else json_text.parse(text)
    except ValueError:
        return text
    return text if "string" in types and not types & _TYPES_OF[type(value)] else value


def _types(schema: Any, root: Mapping[str, Any]) -> Iterator[str]:
    """Yield the types that a schema allows, as far as it says any."""
    for choice in choices_in(schema, root):
        kind = choice.get("type", ())
        yield from (kind,) if isinstance(kind, str) else kind
        for value in choice.get("enum") or ():
            yield from _TYPES_OF.get(type(value), ())


def _marked(text: str) -> list[dict[str, Any]] | None:
    """Return the calls behind `[TOOL_CALLS]`: JSON, or each as `name[ARGS]{…}` behind a mark of its own."""
    if "[ARGS]" not in text or text.lstrip().startswith(("[", "{")):
        return _calls(text)
    calls = []
    for part in text.split("[TOOL_CALLS]"):
        match = _ARGS.fullmatch(part.strip())
        own = _calls(json.dumps({"name": match[1], "arguments": match[2]})) if match else None
        if own is None:
            return None
        calls += own
    return calls


def _calls(text: str) -> list[dict[str, Any]] | None:
    """Return the calls in a JSON text: one, or a list of them; None where it is none."""
    try:
        value = json_text.parse(text.strip().rstrip(";"))
        listed = value if isinstance(value, list) else [value]
        return [read_call(call) for call in listed] or None
    except ValueError:
        return None


def read_call(value: Any) -> dict[str, Any]:
    """Return a call as `name` and `arguments` from an object or its JSON text; raises ValueError with the reason."""
    if isinstance(value, str):
        value = parsed(value, "the call is no JSON")
    if not isinstance(value, Mapping):
        raise ValueError(f"the call is a {kind_of(value)}, not an object")
    if isinstance(value.get("function"), Mapping):
        value = value["function"]
    name = value.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a call has no name")
    arguments = value.get("arguments", value.get("parameters"))
    if isinstance(arguments, str):
        arguments = (
            parsed(arguments, f"the arguments of {name} are no JSON") if arguments.strip() else {}
        )
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, Mapping):
        raise ValueError(f"the arguments of {name} are a {kind_of(arguments)}, not an object")
    return {"name": name.strip(), "arguments": dict(arguments)}


def written_call(call: Mapping[str, Any]) -> str:
    """Return a call as JSON text, its arguments in their order."""
    return json.dumps({"name": call["name"], "arguments": call["arguments"]}, ensure_ascii=False)


def parsed(text: str, otherwise: str) -> Any:
    """Return the value of a JSON text; raises ValueError that begins as `otherwise` says."""
    try:
        return json_text.parse(text)
    except ValueError as problem:
        raise ValueError(f"{otherwise}: {problem}") from None


def kind_of(value: Any) -> str:
    """Return what a value is, in a word."""
    return {"str": "text", "dict": "mapping", "NoneType": "null"}.get(
        type(value).__name__, type(value).__name__
    )
