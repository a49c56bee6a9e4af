"""pydantic's findings in the user's words: position, what is wrong, what was meant."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.errors import Location, Problem
from engine.registry import did_you_mean
from engine.spec.parts import SIZE
from engine.spec.recipe import Recipe
from engine.spec.reference.described import meaning
from engine.spec.reference.unknown import instead, kind_of
from engine.spec.yaml import Document, KeyPath

_PERCENT = re.compile(r"([0-9]*\.?[0-9]+) ?%")
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?")
_KEY = "[key]"
"""What pydantic puts behind a key, in a mapping with keys of one's own, that is wrong itself."""
AS_TEXT = "put quotes around it if it is meant as text"
AS_NUMBER = "write the number without quotes"
_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problems_of(
    error: ValidationError,
    document: Document,
    model: type[BaseModel] = Recipe,
    prefix: KeyPath = (),
) -> list[Problem]:
    """Return one problem per mistake; of a union's branches only the one the user meant.

    Args:
        error: What pydantic found.
        document: The file, for positions.
        model: The model that was validated (for the keys it knows).
        prefix: Where in the document the validated value stands.
    """
    # A part that the recipe leaves out is as good as an empty one.
    data = {} if (value := value_at(document.data, prefix)) is None else value
    problems: list[Problem] = []
    branches: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        if detail["loc"][-1:] == (_KEY,):
            problems.append(_key_problem(detail, document, prefix))
            continue
        path, base = _path_in(data, detail)
        if base is None:
            problems.append(_problem(detail, path, document, model, prefix))
        else:
            branches.setdefault(base, []).append(detail)
    for base, details in branches.items():
        problems += _union(details, base, data, document, model, prefix)
    return problems


def _key_problem(detail: ErrorDetails, document: Document, prefix: KeyPath) -> Problem:
    """Return what is wrong with a key that its author chose."""
    whole = (*prefix, *detail["loc"][:-1])
    message, hint = _explain(detail["type"], detail.get("ctx", {}), detail["input"], detail["msg"])
    return Problem(document.at(whole, key=True), f"{_name(whole)} {message}", hint, code="value")


def check_part(
    model: type[BaseModel], value: Any, document: Document, prefix: KeyPath
) -> list[Problem]:
    """Return what `model` finds wrong with `value`, which is at `prefix` in the document."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return problems_of(error, document, model, prefix)
    return []


def value_at(data: Any, path: KeyPath) -> Any:
    """Return the value at `path`; None without one."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _path_in(data: Any, detail: ErrorDetails) -> tuple[KeyPath, KeyPath | None]:
    """Split an error's `loc` into a path in the data and the path of the union it went through.

    Between the keys pydantic names the union's branch it tried, which is no key of the data.
    """
    path: list[str | int] = []
    base: KeyPath | None = None
    here = data
    absent = len(detail["loc"]) - 1 if detail["type"] == "missing" else -1
    for index, part in enumerate(detail["loc"]):
        if isinstance(here, dict) and (part in here or index == absent):
            path.append(part)
            here = here.get(part)
        elif isinstance(here, list) and isinstance(part, int):
            path.append(part)
            here = here[part] if part < len(here) else None
        elif base is None:
            base = tuple(path)
    return tuple(path), base


def _union(
    details: list[ErrorDetails],
    base: KeyPath,
    data: Any,
    document: Document,
    model: type[BaseModel],
    prefix: KeyPath,
) -> list[Problem]:
    """Report the branch that fits what was written; with none, say what is allowed here."""
    value = value_at(data, base)
    meant = [
        detail
        for detail in details
        if detail["type"] not in _TYPES and detail["type"] != "literal_error"
    ]
    if isinstance(value, (dict, list)) and meant:
        # What a branch's own validator says is about the whole, and no other branch can say it.
        inner = [
            detail
            for detail in details
            if len(_path_in(data, detail)[0]) > len(base) or detail["type"] == "value_error"
        ]
        if inner:
            return [
                _problem(detail, _path_in(data, detail)[0], document, model, prefix)
                for detail in inner
            ]
    below = [detail for detail in details if len(_path_in(data, detail)[0]) > len(base)]
    if isinstance(value, (dict, list)) and below:
        # It is what one branch takes; what stands in it is wrong.
        return [
            _problem(detail, _path_in(data, detail)[0], document, model, prefix) for detail in below
        ]
    limits = [detail for detail in details if detail["type"] in _LIMITS]
    if limits and not isinstance(value, (dict, list)):
        # A value of the right type that is out of its range: the other branches say nothing about it.
        return [
            _problem(detail, _path_in(data, detail)[0], document, model, prefix)
            for detail in limits
        ]
    expected = [
        _TYPES.get(detail["type"]) or detail.get("ctx", {}).get("expected", "")
        for detail in details
    ]
    allowed = " or ".join(dict.fromkeys(kind for kind in expected if kind))
    message = f"{_name((*prefix, *base))} must be {allowed}, not {describe(value)}"
    return [Problem(document.at((*prefix, *base)), message, "", code="type")]


def _problem(
    detail: ErrorDetails, path: KeyPath, document: Document, model: type[BaseModel], prefix: KeyPath
) -> Problem:
    kind = detail["type"]
    whole = (*prefix, *path)
    if kind == "missing":
        return _missing(path, document, model, prefix)
    if kind == "extra_forbidden":
        known = model_at(model, path[:-1])
        message = f"unknown key '{path[-1]}'" + (f" in {_name(whole[:-1])}" if whole[:-1] else "")
        siblings = value_at(document.data, whole[:-1]) or {}
        fields = known.model_fields.items() if known else ()
        names = (field.alias or name for name, field in fields)
        where = document.at(whole, key=True)
        # One that another file has already may be what is meant here.
        open_keys = [
            key
            for key in names
            if key not in siblings or document.at((*whole[:-1], key), key=True).file != where.file
        ]
        hint = instead(kind_of(document.data), whole, open_keys)
        return Problem(where, message, hint, code="unknown-key")
    message, hint = _explain(kind, detail.get("ctx", {}), detail["input"], detail["msg"])
    if kind in ("model_type", "model_attributes_type") and isinstance(detail["input"], str):
        wanted = model_at(model, path)
        if wanted and (name := wanted.model_fields.get("name")) and name.is_required():
            hint = f"write {{name: {detail['input']}}}"
    gap = "" if message.startswith(":") else " "
    return Problem(document.at(whole), f"{_name(whole)}{gap}{message}", hint, code="value")


def _missing(path: KeyPath, document: Document, model: type[BaseModel], prefix: KeyPath) -> Problem:
    parent = (*prefix, *path[:-1])
    owner = model_at(model, path[:-1])
    field = owner.model_fields.get(str(path[-1])) if owner else None
    said = meaning(owner, str(path[-1])) if owner else ""
    if not said and field is not None and (part := _models_in(field.annotation)):
        said = (part[0].__doc__ or "").strip().splitlines()[0]
    message = f"{_name((*prefix, *path))} is missing"
    hint = f"add `{path[-1]}: …`" + (f": {said}" if said else "")
    whole = (*prefix, *path)
    if (place := document.removed.get(whole)) is not None:
        hint = "leave the `null` out, or write another value" + (f": {said}" if said else "")
        return Problem(
            place, f"{_name(whole)} is needed, and taken away here", hint, code="missing"
        )
    if document.extended and not any(isinstance(part, int) for part in whole):
        # None of the files has it; the one that was asked for is where it is missed.
        message += f" from {document.extended}"
        return Problem(Location.at(document.path, 1, 1), message, hint, code="missing")
    return Problem(document.at(parent, key=True), message, hint, code="missing")


def _explain(kind: str, context: dict[str, Any], value: Any, message: str) -> tuple[str, str]:
    """Return what is wrong with a value (to follow its name) and a hint."""
    if kind in _TYPES:
        if value is None:
            return (
                f"has no value; it must be {_TYPES[kind]}",
                "write a value after the colon, or leave the key out",
            )
        return f"must be {_TYPES[kind]}, not {describe(value)}", _type_hint(kind, value)
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        choices = [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(",")]
        if expected == "1":
            return f"must be 1, not {describe(value)}", "1 is the format version this engine reads"
        hint = did_you_mean(value, choices) if isinstance(value, str) else ""
        return f"must be {expected}, not {describe(value)}", hint if hint.startswith("did") else ""
    if kind in _LIMITS:
        return _LIMITS[kind](context, value), ""
    if kind == "string_pattern_mismatch":
        if context.get("pattern") == SIZE:
            return (
                f"is not a size: {describe(value)}",
                "write it as 135M, 8B or 1T, all experts counted",
            )
        hint = "a name has small letters, digits, - and _, begins with a letter or digit, and is at most 64 long"
        return f"cannot be {describe(value)}", hint
    if kind == "value_error":
        return f": {context.get('error', message)}", ""
    return f": {message[:1].lower()}{message[1:]}", ""


def _limit(words: str, key: str) -> Callable[[dict[str, Any], Any], str]:
    def said(context: dict[str, Any], value: Any) -> str:
        limit = context[key]
        return f"must be {words} {limit if isinstance(limit, int) else f'{limit:g}'}, not {value}"

    return said


def _entries(words: str, key: str) -> Callable[[dict[str, Any], Any], str]:
    return lambda context, value: (
        f"needs {words} {context[key]} {'entry' if context[key] == 1 else 'entries'}, and has {len(value)}"
    )


_LIMITS: dict[str, Callable[[dict[str, Any], Any], str]] = {
    "greater_than": _limit("more than", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("less than", "lt"),
    "less_than_equal": _limit("at most", "le"),
    "too_short": _entries("at least", "min_length"),
    "too_long": _entries("at most", "max_length"),
}


def _type_hint(kind: str, value: Any) -> str:
    if kind == "list_type" and isinstance(value, str):
        return f"write a list: [{value}]"
    if kind == "string_type" and isinstance(value, (bool, int, float)):
        return AS_TEXT
    if kind in ("int_type", "float_type") and isinstance(value, str) and _NUMBER.fullmatch(value):
        return AS_NUMBER
    if kind == "float_type" and isinstance(value, str) and (said := _PERCENT.fullmatch(value)):
        return f"write {float(said[1]) / 100:g}"
    return ""


def describe(value: Any) -> str:
    """Return a value as a message shows it: short, with its kind where that is the point."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true/false)"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}…'"
    return "a list" if isinstance(value, list) else "a mapping"


def _name(path: KeyPath) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the recipe"


def model_at(model: type[BaseModel], path: KeyPath) -> type[BaseModel] | None:
    """Return the model of the mapping at `path`; None where its keys are open."""
    current: type[BaseModel] | None = model
    chosen = False
    for part in path:
        if isinstance(part, int) or chosen:
            chosen = False
            continue
        field = current.model_fields.get(part) if current else None
        models = _models_in(field.annotation) if field else []
        current = models[0] if models else None
        # Below a mapping with keys of one's own, the next key leads to its values.
        chosen = field is not None and typing.get_origin(field.annotation) is dict
    return current


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models inside an annotation such as `list[str | SqlMetric]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]
    return []
