"""JSON Schemas of tools' arguments: what a part of one is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_SEVERAL = ("anyOf", "oneOf", "allOf")


def choices_in(schema: Any, root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a schema and all that it is made of: what it refers to, and what it chooses among."""
    found: dict[int, Mapping[str, Any]] = {}
    left = [schema]
    while left:
        one = left.pop()
        # One may refer to itself.
        if not isinstance(one, Mapping) or id(one) in found:
            continue
        found[id(one)] = one
        left += [part for several in _SEVERAL for part in one.get(several) or ()]
        left.append(referred(one, root))
    return list(found.values())


def referred(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Return what a schema refers to in its document; None where it does not, or nothing is there."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found: Any = root
    for step in filter(None, unquote(reference[1:]).split("/")):
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
