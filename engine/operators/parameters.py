"""An operator's parameters: checked as they are declared, and made into the model that a recipe's `params` must fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from engine.bounds import LARGEST
from engine.errors import Problem
from engine.operators.definition import Definition, Parameter
from engine.operators.operator import PACK, OperatorParams
from engine.registry import did_you_mean
from engine.spec.error_messages import check_part
from engine.spec.yaml import Document, KeyPath

MOST_ROWS = 100
"""Most rows that one call may ask for."""
MOST_TEXTS = 200
"""Most texts of a parameter that holds several."""
_TYPES: dict[str, type] = {"integer": int, "number": float, "boolean": bool, "text": str}
_FITS = {
    "minimum": ("integer", "number"),
    "maximum": ("integer", "number"),
    "max_length": ("text", "texts"),
    "choices": ("choice",),
}
"""Key of a parameter -> the types it makes sense with."""


def params_model(definition: Definition) -> type[OperatorParams]:
    """Return the model of what a recipe may write under `params`."""
    fields: dict[str, Any] = {
        name: (_annotation(parameter), _field(parameter, parameter.default))
        for name, parameter in definition.params.items()
    }
    return create_model(
        "Params",
        __base__=OperatorParams,
        __module__=f"engine.operators.{definition.name}",
        __doc__=f"Parameters of `{definition.name}`.",
        **fields,
    )


def check_parameters(definition: Definition, document: Document) -> list[Problem]:
    """Return what is wrong with the parameters, and with the two numbers that may name one."""
    problems: list[Problem] = []
    for name, parameter in definition.params.items():
        path: KeyPath = ("params", name)
        if hasattr(BaseModel, name) or name.startswith("model_"):
            # pydantic keeps these for itself.
            hint = "choose another name"
            message = f"a parameter cannot be called '{name}'"
            problems.append(Problem(document.at(path, key=True), message, hint, code="operator"))
            continue
        wrong = list(_declaration(parameter, document, path))
        problems += wrong or _default(parameter, document, path)
    problems += _number(definition, document, ("rows",), definition.rows, least=1)
    problems += _varying(definition, document)
    if definition.votes is not None:
        path = ("votes", "samples")
        problems += _number(definition, document, path, definition.votes.samples, least=2)
    if definition.examples is not None:
        path = ("examples", "count")
        if definition.examples.count != PACK:
            problems += _number(definition, document, path, definition.examples.count, least=0)
    return problems


def _varying(definition: Definition, document: Document) -> Iterator[Problem]:
    """Yield what is wrong with the values that differ from row to row."""
    for name, values in definition.vary.items():
        here = document.at(("vary", name))
        if isinstance(values, list) and not values:
            yield Problem(here, f"vary.{name} has no values", "name some", code="operator")
        elif isinstance(values, str) and values not in definition.params:
            hint = did_you_mean(values, definition.params) or "declare it under `params`"
            message = f"vary.{name}: there is no parameter '{values}'"
            yield Problem(here, message, hint, code="operator")
        elif isinstance(values, str) and definition.params[values].type != "texts":
            message = f"vary.{name}: the parameter '{values}' must be of type texts"
            yield Problem(here, message, "", code="operator")


def _annotation(parameter: Parameter) -> Any:
    if parameter.type == "choice":
        return Literal[tuple(parameter.choices or ())]
    if parameter.type == "texts":
        one = Annotated[str, Field(min_length=1, max_length=parameter.max_length)]
        return Annotated[list[one], Field(min_length=1, max_length=MOST_TEXTS)]
    return _TYPES[parameter.type]


def _field(parameter: Parameter, default: Any) -> Any:
    most = parameter.maximum
    return Field(
        default=default,
        ge=parameter.minimum,
        le=LARGEST if most is None and parameter.type == "integer" else most,
        max_length=None if parameter.type == "texts" else parameter.max_length,
        description=parameter.description,
    )


def _declaration(parameter: Parameter, document: Document, path: KeyPath) -> Iterator[Problem]:
    for key, types in _FITS.items():
        if getattr(parameter, key) is not None and parameter.type not in types:
            message = (
                f"`{key}` is for a parameter of type {' or '.join(types)}, not {parameter.type}"
            )
            yield Problem(
                document.at((*path, key), key=True), message, "leave it out", code="operator"
            )
    if parameter.type == "choice" and parameter.choices is None:
        message = "a parameter of type choice needs `choices`"
        hint = "list the values: `choices: [short, long]`"
        yield Problem(document.at(path, key=True), message, hint, code="operator")
    low, high = parameter.minimum, parameter.maximum
    if parameter.type == "integer":
        for key, bound in (("minimum", low), ("maximum", high)):
            if isinstance(bound, float):
                message = (
                    f"the {key} of an integer is a whole number up to {LARGEST:,}, not {bound}"
                )
                yield Problem(document.at((*path, key)), message, "", code="operator")
    if low is not None and high is not None and low > high:
        message = f"the maximum {high} is below the minimum {low}"
        yield Problem(document.at((*path, "maximum")), message, "swap them", code="operator")


def _default(parameter: Parameter, document: Document, path: KeyPath) -> list[Problem]:
    """Check the default by the rules that a recipe's value is checked by."""
    model = create_model(
        "Default", __base__=OperatorParams, default=(_annotation(parameter), _field(parameter, ...))
    )
    return check_part(model, {"default": parameter.default}, document, path)


def _number(
    definition: Definition, document: Document, path: KeyPath, number: int | str, *, least: int
) -> Iterator[Problem]:
    """Check a number of rows: itself, or the bounds of the parameter that it names."""
    here = document.at(path)
    name = ".".join(map(str, path))
    if isinstance(number, int):
        if not least <= number <= MOST_ROWS:
            message = f"{name} must be {least} to {MOST_ROWS}, not {number}"
            yield Problem(here, message, "", code="operator")
        return
    if number not in definition.params:
        hint = did_you_mean(number, definition.params) or "declare it under `params`"
        yield Problem(here, f"{name}: there is no parameter '{number}'", hint, code="operator")
        return
    parameter = definition.params[number]
    low, high = parameter.minimum, parameter.maximum
    if (
        parameter.type != "integer"
        or low is None
        or high is None
        or low < least
        or high > MOST_ROWS
    ):
        message = (
            f"{name}: the parameter '{number}' must be an integer within {least} to {MOST_ROWS}"
        )
        hint = f"write `type: integer, minimum: {least}, maximum: 10` or the like"
        yield Problem(document.at(("params", number), key=True), message, hint, code="operator")
