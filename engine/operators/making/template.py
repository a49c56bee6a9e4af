"""template: rows from templates whose slots are drawn and whose answers are computed, as GSM-Symbolic's are.

Mirzadeh et al. (arXiv 2410.05229, section 3): a question with its numbers and names taken out, and the answer as a
calculation. What stands in braces is one SQL expression over the slots (`engine.sql`), so nothing that is written here
can read a file or wait; `{{` is a brace. The templates are the file `templates.yaml` in the operator's folder.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from engine.bounds import Count, Whole
from engine.errors import Problem, RecipeError
from engine.operators.making.protocol import Made, Material, NotMade, RowFunction
from engine.spec.error_messages import problems_of
from engine.spec.parts import Spec
from engine.spec.yaml import Document, KeyPath, parse, read_text
from engine.sql.connection import closed_off
from engine.sql.expressions import Fault, check_expression
from engine.sql.row_values import RowExpression, Unusable

FILE = "templates.yaml"
_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_TRIES = 50
"""Draws of the slots until the template's condition holds."""


class Numbers(Spec):
    """The numbers that a slot may hold."""

    least: Whole = Field(alias="from")
    most: Whole = Field(alias="to")
    step: Count = Field(default=1, ge=1)


class Template(Spec):
    """One template."""

    inputs: dict[str, str] = Field(min_length=1)
    """The task's input columns, each a text with slots."""
    target: str = Field(min_length=1)
    """The right answer, with slots and calculations; of a task with labels the label itself."""
    slots: dict[str, list[str | Whole | float] | Numbers] = Field(default_factory=dict)
    """Slot -> the values, or the range of whole numbers, that it is drawn from."""
    where: str = ""
    """A condition that the slots must meet, in SQL; empty for none."""

    @property
    def texts(self) -> Iterator[tuple[KeyPath, str]]:
        """What slots stand in, and where."""
        yield from ((("inputs", column), text) for column, text in self.inputs.items())
        yield ("target",), self.target


class Templates(Spec):
    """The file `templates.yaml`."""

    templates: list[Template] = Field(min_length=1)


def read_templates(file: Path) -> Templates:
    """Return the templates of a file, checked; raises RecipeError with every problem."""
    document = parse(read_text(file), file, first="templates:")
    try:
        read = Templates.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError(problems_of(error, document, Templates)) from None
    problems = [
        problem
        for number, template in enumerate(read.templates)
        for problem in _problems(template, document, ("templates", number))
    ]
    if problems:
        raise RecipeError(problems)
    return read


def _problems(template: Template, document: Document, path: KeyPath) -> Iterator[Problem]:
    for name, values in template.slots.items():
        here = document.at((*path, "slots", name))
        if isinstance(values, Numbers) and values.least > values.most:
            message = f"the slot '{name}' goes from {values.least} to {values.most}"
            yield Problem(here, message, "swap them", code="operator")
        elif not isinstance(values, Numbers) and not values:
            message = f"the slot '{name}' has no values"
            yield Problem(here, message, "name some, or leave the slot out", code="operator")
        elif not isinstance(values, Numbers) and len({isinstance(v, str) for v in values}) > 1:
            message = f"the slot '{name}' has numbers and texts"
            yield Problem(here, message, "write all its values the same way", code="operator")
    for key, text in template.texts:
        if stray := next((m[0] for m in _PART.finditer(text) if m[0] in ("{", "}")), None):
            message = f"a '{stray}' stands alone"
            hint = f"write '{stray * 2}' for one that is meant as it is"
            yield Problem(document.at((*path, *key)), message, hint, code="operator")
        for sql in _expressions(text):
            if fault := check_expression(sql, template.slots, "value"):
                yield _fault(sql, fault, document, (*path, *key))
    if template.where and (fault := check_expression(template.where, list(template.slots))):
        yield _fault(template.where, fault, document, (*path, "where"))


def _fault(sql: str, fault: Fault, document: Document, path: KeyPath) -> Problem:
    message = f"'{sql}': {fault.message}"
    return Problem(document.at(path), message, fault.hint, code="operator")


def _expressions(text: str) -> list[str]:
    return [match[1] for match in _PART.finditer(text) if match[1] is not None]


def _make(material: Material) -> Made:
    file: Templates = material.read
    fitting = [t for t in file.templates if material.target in (None, t.target)]
    if not fitting:
        raise NotMade(f"no template has the target '{material.target}'")
    template = material.draw.choice(fitting)
    texts = dict(template.texts)
    wanted = list(dict.fromkeys(sql for text in texts.values() for sql in _expressions(text)))
    values = _drawn(template, wanted, material.draw)
    filled = {key: _filled(text, values) for key, text in texts.items()}
    inputs = {column: filled["inputs", column] for column in template.inputs}
    return Made(inputs, filled[("target",)] if material.target is None else None)


def _drawn(template: Template, wanted: list[str], draw: random.Random) -> dict[str, str]:
    """Return the value of each expression for the first draw of the slots that meets the template's condition."""
    draws = [
        {name: _value(values, draw) for name, values in template.slots.items()}
        for _ in range(_TRIES if template.where else 1)
    ]
    if not wanted and not template.where:
        return {}
    try:
        with closed_off() as connection:
            found = _evaluator((template.where or "true", *wanted), connection).over(draws)
    except Unusable as unusable:
        raise NotMade(f"{unusable.fault.message}: {draws[0]}") from None
    faults = [values for values in found if isinstance(values, Fault)]
    if len(faults) == len(found):
        raise NotMade(f"{faults[0].message}: {draws[0]}")
    for slots, values in zip(draws, found, strict=True):
        # What the condition keeps out may not be computable.
        if isinstance(values, Fault) or not values["v0"]:
            continue
        said = {sql: values[f"v{i}"] for i, sql in enumerate(wanted, 1)}
        if missing := next((sql for sql, value in said.items() if value is None), None):
            raise NotMade(f"'{missing}' has no value with {slots}")
        return {sql: _said(value) for sql, value in said.items()}
    raise NotMade(f"no draw of {_TRIES} meets `where: {template.where}`")


@lru_cache(maxsize=64)
def _evaluator(expressions: tuple[str, ...], connection: Any) -> RowExpression:
    """Return what gives all values at once, under the names v0, v1 and so on."""
    parts = ", ".join(f"v{i} := ({sql}\n)" for i, sql in enumerate(expressions))
    return RowExpression(f"struct_pack({parts})", "value", connection)


def _value(values: list[str | Whole | float] | Numbers, draw: random.Random) -> str | Whole | float:
    if isinstance(values, Numbers):
        return draw.randrange(values.least, values.most + 1, values.step)
    return draw.choice(values)


def _said(value: Any) -> str:
    """Return a value as text: a number without decimals that are nothing, and without errors of binary fractions."""
    if isinstance(value, float):
        return f"{round(value, 9):.9f}".rstrip("0").rstrip(".")
    return str(value)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PART.sub(lambda m: m[0][0] if m[1] is None else values[m[1]], text)


TEMPLATE = RowFunction(
    name="template",
    version=1,
    description=f"rows from the templates in {FILE}: slots are drawn, answers computed",
    label="given",
    copies="none",
    params={},
    make=_make,
    file=FILE,
    read=read_templates,
    targets=lambda read: frozenset(template.target for template in read.templates),
    columns=lambda read: [frozenset(template.inputs) for template in read.templates],
)
