"""A JSON Schema that all objects of a column fit, every text and list in it bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_SHORTEST = 40
"""Characters that a text may have at least."""
_FEWEST = 4
"""Items that a list may have at least."""
_FEW = 12
"""Different texts that are all that may stand there, where each comes often."""
_OFTEN = 5
"""How often each of these comes, on average."""


def schema_of(values: Sequence[Any]) -> dict[str, Any]:
    """Return the schema of values, of which at least one is there."""
    present = [value for value in values if value is not None]
    kinds = {_kind(value) for value in present}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    schema: dict[str, Any] = {}
    if len(kinds) == 1:
        schema = _of_kind(next(iter(kinds)), present)
    elif kinds:
        schema = {
            "anyOf": [_of_kind(k, [v for v in present if _kind(v) == k]) for k in sorted(kinds)]
        }
    if len(present) == len(values):
        return schema
    return {"anyOf": [schema, {"type": "null"}]} if schema else {"type": "null"}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _of_kind(kind: str, values: Sequence[Any]) -> dict[str, Any]:
    if kind == "string":
        different = sorted(set(values))
        if len(different) <= _FEW and len(values) >= _OFTEN * len(different):
            return {"enum": different}
        return {"type": "string", "maxLength": _rounded(2 * max(map(len, values)), _SHORTEST)}
    if kind == "array":
        items = [item for value in values for item in value]
        most = _rounded(2 * max(map(len, values)), _FEWEST)
        return {
            "type": "array",
            "items": schema_of(items) if items else {"type": "null"},
            "maxItems": most,
        }
    if kind == "object":
        keys = dict.fromkeys(key for value in values for key in value)
        return {
            "type": "object",
            "properties": {key: schema_of([v[key] for v in values if key in v]) for key in keys},
            "required": [key for key in keys if all(key in value for value in values)],
            "additionalProperties": False,
        }
    return {"type": kind}


def _rounded(number: int, least: int) -> int:
    return max(least, -(-number // 10) * 10 if number > least else least)
