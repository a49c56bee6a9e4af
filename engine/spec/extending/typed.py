"""The vars of a recipe: values that stand for `${name}`, with their types."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from engine.bounds import Whole, is_storable
from engine.registry import did_you_mean
from engine.spec.parts import Spec

Value = bool | Whole | float | str
"""What a var may stand for."""
VarType = Literal["text", "int", "number", "bool"]
WORDS: dict[VarType, str] = {
    "text": "a text",
    "int": "a whole number",
    "number": "a number",
    "bool": "true or false",
}
_INT = re.compile(r"[-+]?[0-9]{1,15}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")


class Var(Spec):
    """A var with its type; a value alone declares one of that value's type."""

    type: VarType | None = None
    """text, int (a whole number), number, or bool (true or false); that of the default when left out, else text."""
    default: Value | None = None
    """What it stands for where `--var` says nothing; left out, a value must be given: `--var name=value`."""
    description: str = ""
    """What it is for; shown where a value is missing or wrong."""
    choices: list[Value] = Field(default_factory=list)
    """The only values that it may have; any of its type when left out."""

    @property
    def kind(self) -> VarType:
        """Its type, also where that follows from its default."""
        if self.type is not None:
            return self.type
        return "text" if self.default is None else type_of(self.default)

    @field_validator("default", "choices")
    @classmethod
    def _made_of_no_vars(cls, value: Value | list[Value] | None) -> Value | list[Value] | None:
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, str) and "${" in each for each in values):
            raise ValueError("a var cannot be made of other vars: write the value out")
        return value

    @model_validator(mode="after")
    def _of_its_type(self) -> Var:
        for value in (*self.choices, *(() if self.default is None else (self.default,))):
            if not fits(value, self.kind):
                raise ValueError(
                    f"its type is {self.kind}, and {_shown(value)} is not {WORDS[self.kind]}"
                )
        if self.default is not None and self.choices and self.default not in self.choices:
            raise ValueError(f"its default {_shown(self.default)} is none of its choices")
        return self

    def read(self, given: Value) -> Value:
        """Return a value as it is given, a text of the command line too, in the var's type.

        Raises:
            ValueError: it is none; the message follows the var's name.
        """
        value = _parsed(given, self.kind) if isinstance(given, str) else given
        if value is None or not fits(value, self.kind):
            raise ValueError(f"must be {WORDS[self.kind]} ({self.kind}), not {_shown(given)}")
        if self.choices and value not in self.choices:
            near = did_you_mean(str(value), [str(choice) for choice in self.choices])
            listed = ", ".join(as_text(choice) for choice in self.choices)
            raise ValueError(
                f"must be one of {listed}, not {_shown(given)}" + (f"; {near}" if near else "")
            )
        return value


def type_of(value: Value) -> VarType:
    """Return the type that a value alone declares."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    return "number" if isinstance(value, float) else "text"


def fits(value: Value, kind: VarType) -> bool:
    """Return whether a value is of a type; a whole number is a number, too."""
    found = type_of(value)
    return found == kind or (found == "int" and kind == "number")


def as_text(value: Value) -> str:
    """Return what a value is within a text, as YAML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _parsed(text: str, kind: VarType) -> Value | None:
    """Return what a text of the command line says; None where it is nothing of the type."""
    said = text.strip()
    if kind == "bool":
        return {"true": True, "false": False}.get(said.lower())
    if kind in ("int", "number") and _INT.fullmatch(said):
        number = int(said)
        return number if is_storable(number) else float(number) if kind == "number" else None
    if kind == "number":
        return float(said) if _NUMBER.fullmatch(said) else None
    return text if kind == "text" else None


def _shown(value: Value) -> str:
    text = as_text(value)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:57]}…'"
