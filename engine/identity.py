"""What of a step's parameters decides its rows: one rule for every stage, kind, metric and operator.

A field that equals its default leaves no trace, so that a new field with a default that means "as before" changes no
fingerprint. The price: a default that changes its meaning must raise the version of what it belongs to (a test with
the defaults written down says so). A field made by `outside()` decides no rows, such as where a file lies.
The rule is that of AI2 Tango (`tango/step.py`: SKIP_DEFAULT_ARGUMENTS, SKIP_ID_ARGUMENTS).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any

from pydantic import BaseModel

_OUTSIDE = "outside"


@dataclass(frozen=True, kw_only=True)
class Params:
    """Base of every step's parameters: frozen, and made of what JSON knows, nested `Params` and pydantic models."""

    def identity(self) -> dict[str, Any]:
        """Return what decides the rows, as JSON values; raises TypeError for a value without a stable identity."""
        return _fields(self)


def outside(default: Any = MISSING) -> Any:
    """Return a field that decides no rows and is no part of the identity."""
    if default is MISSING:
        return field(metadata={_OUTSIDE: True})
    return field(default=default, metadata={_OUTSIDE: True})


def is_outside(one: Field[Any]) -> bool:
    """Return whether a field was made by `outside`."""
    return bool(one.metadata.get(_OUTSIDE))


def _fields(params: Any) -> dict[str, Any]:
    return {
        one.name: plain(value)
        for one in fields(params)
        for value in [getattr(params, one.name)]
        if not is_outside(one) and value != _default(one)
    }


def plain(value: Any) -> Any:
    """Return a value as JSON knows it, fields that equal their defaults left out; raises TypeError for others."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Set):
        return sorted(plain(item) for item in value)
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise TypeError(f"a {type(value).__name__} has no stable identity")


def defaults(value: Any) -> dict[str, Any]:
    """Return what the fields that an identity leaves out stand for: their defaults, under the identity's keys.

    In a sequence whose items have names, these are the keys.
    """
    known: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    if isinstance(value, Mapping):
        nested = {str(key): item for key, item in value.items()}
    elif isinstance(value, Sequence) and not isinstance(value, str):
        nested = {item.name: item for item in value if isinstance(getattr(item, "name", None), str)}
    elif isinstance(value, BaseModel):
        for name, info in type(value).model_fields.items():
            if info.is_required():
                nested[info.alias or name] = getattr(value, name)
            else:
                known[info.alias or name] = _whole(info.get_default(call_default_factory=True))
    elif is_dataclass(value):
        known = {
            one.name: _whole(default)
            for one in fields(value)
            if (default := _default(one)) is not MISSING
        }
        nested = {
            one.name: getattr(value, one.name) for one in fields(value) if one.name not in known
        }
    return known | {name: found for name, item in nested.items() if (found := defaults(item))}


def _default(one: Field[Any]) -> Any:
    """Return a field's default, MISSING where it has none."""
    return one.default_factory() if one.default_factory is not MISSING else one.default


def _whole(value: Any) -> Any:
    """Return a value as JSON knows it, defaults included."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _whole(getattr(value, one.name))
            for one in fields(value)
            if not is_outside(one)
        }
    return plain(value)
