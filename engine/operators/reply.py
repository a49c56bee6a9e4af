"""The shape of an operator's reply: its own `rows.schema.json`, or the shared one.

A custom schema may ask for more than rows: a plan before them, a rationale in each. The interpreter adds the columns of
a row, whether it brings its target, and how many rows there are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine import json_text
from engine.backends.structured import unbounded
from engine.errors import Location, Problem, RecipeError, reason_of
from engine.operators.operator import ITEM_KEYS, SKIPPED, TARGET
from engine.spec.package_data import shipped
from engine.spec.yaml import Document, KeyPath, parse, read_text

_PROSE = {"$schema", "title", "description"}
_REFERENCES = {"$ref", "$dynamicRef", "$recursiveRef", "$defs", "definitions"}
_PART = re.compile(r"[^.\[\]]+")


def read_reply_schema(file: Path | None) -> tuple[dict[str, Any], list[Problem]]:
    """Return the schema without its prose, and what is wrong with it; the shared one where there is no file."""
    if file is None:
        shared = (shipped("schemas") / "rows.schema.json").read_text("utf-8")
        return _without_prose(json.loads(shared)), []
    try:
        document = _document(file)
    except RecipeError as error:
        return {}, error.problems
    problems = [
        Problem(document.at(path), message, hint, code="schema")
        for path, message, hint in _mistakes(document.data)
    ]
    return _without_prose(document.data), problems


def _without_prose(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in _PROSE}


def _document(file: Path) -> Document:
    """Return a JSON file with the place of each key; raises RecipeError."""
    text = read_text(file)
    try:
        data = json_text.parse(text)
    except ValueError as error:
        line, column = (
            (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
        )
        message = (
            f"this is not JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}"
        )
        raise RecipeError(
            [Problem(Location.at(file, line, column), message, "check it here", code="schema")]
        ) from None
    if not isinstance(data, dict):
        message, hint = "the schema must be an object", 'write {"type": "object", …}'
        raise RecipeError([Problem(Location.at(file, 1, 1), message, hint, code="schema")])
    try:
        # JSON is YAML too, nearly always, and that reader knows the places.
        places = parse(text, file)
    except RecipeError:
        return Document(data, file)
    return Document(data, file, places.keys, places.values)


def _mistakes(schema: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield where, what and what to do."""
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        yield tuple(error.absolute_path), f"this is not a JSON Schema: {error.message[:200]}", ""
        return
    except Exception as error:
        yield (), f"this is not a JSON Schema: {reason_of(error)}", ""
        return
    if (path := _reference(schema, ())) is not None:
        yield path, "a reply's schema cannot refer to other parts", "write the part out here"
        return
    rows: KeyPath = ("properties", "rows")
    item = _at(schema, (*rows, "items"))
    if schema.get("type") != "object" or _at(schema, (*rows, "type")) != "array":
        hint = 'write "type": "object", and in its "properties" "rows": {"type": "array", "items": {"type": "object"}}'
        yield rows, "the schema must be an object with an array `rows`", hint
        return
    if not isinstance(item, Mapping) or item.get("type") != "object":
        hint = 'write "items": {"type": "object"}: the engine adds the columns'
        yield (*rows, "items"), "each of `rows` must be an object", hint
        return
    if "rows" not in schema.get("required", ()):
        yield ("required",), "`rows` is not required", 'write "required": ["rows"]'
    for name in (TARGET, *ITEM_KEYS):
        if name in item.get("properties", {}):
            hint = "leave it out: the engine adds it where it is asked for"
            yield (*rows, "items", "properties", name), f"a row's '{name}' is the engine's", hint
    if SKIPPED in schema["properties"]:
        hint = "leave it out: the engine adds it where rows can be left out"
        yield ("properties", SKIPPED), f"'{SKIPPED}' is the engine's", hint
    yield from _endless(schema)


def _endless(schema: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield what lets a reply grow without end, the parts aside that the engine bounds itself."""
    rows = schema["properties"]["rows"]
    item = {**rows["items"], "additionalProperties": False}
    closed = {**schema["properties"], "rows": {**rows, "items": item, "maxItems": 1}}
    for problem in unbounded({**schema, "properties": closed}):
        where, _, what = problem.partition(": ")
        hint = "give every text a maxLength, every list a maxItems, every object `additionalProperties: false`"
        yield _path(schema, where), f"the reply can grow without end: {what}", hint


def _reference(part: Any, path: KeyPath) -> KeyPath | None:
    """Return the path of the first reference; None where there is none."""
    if isinstance(part, Mapping):
        inner = [*part.items()]
        if here := next((key for key, value in inner if key in _REFERENCES), None):
            return (*path, here)
    else:
        inner = [*enumerate(part)] if isinstance(part, list) else []
    paths = (_reference(value, (*path, key)) for key, value in inner)
    return next((reference for reference in paths if reference is not None), None)


def _at(schema: Any, path: KeyPath) -> Any:
    for part in path:
        schema = schema.get(part) if isinstance(schema, Mapping) else None
    return schema


def _path(schema: Any, where: str) -> KeyPath:
    """Return the keys behind a place such as `$.rows.items.plan`, as far as they are the schema's."""
    path: list[str | int] = []
    for part in _PART.findall(where)[1:]:
        if isinstance(schema, Mapping) and part in schema.get("properties", {}):
            path += ["properties", part]
            schema = schema["properties"][part]
        elif isinstance(schema, Mapping) and part in schema:
            path.append(part)
            schema = schema[part]
        elif isinstance(schema, list) and part.isdigit() and int(part) < len(schema):
            path.append(int(part))
            schema = schema[int(part)]
        else:
            break
    return tuple(path)
