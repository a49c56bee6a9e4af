"""The JSON Schema of recipes for those that extend another: nothing is required there, and `+key` adds to a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from engine.spec.extending.bases import KEY
from engine.spec.extending.merging import ADDS
from engine.spec.reference.whole import ABOUT, GIVEN, GIVEN_REF, UNLESS

_ALWAYS = ("recipe",)


def for_extending(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema of whole recipes as one of recipes that may extend another.

    A mapping that is merged requires nothing by itself: what it requires stands under `UNLESS`, and, as far as all its
    forms agree, under `else` at the top. Lists are not merged, so what stands in them is required as before.
    """
    found = deepcopy(dict(schema))
    parts: dict[str, Any] = found["$defs"]
    merged = list(_merged(found, parts, set()))
    for part in merged:
        if required := part.pop("required", None):
            part[UNLESS] = required
    needs = _needs(found, parts) or {}
    for part in merged:
        if lists := [key for key, child in part["properties"].items() if _is_list(child, parts)]:
            # As a pattern, so that nobody is offered them where there is nothing to add to.
            part["patternProperties"] = {
                f"^\\{ADDS}{key}$": deepcopy(part["properties"][key]) for key in lists
            }
        if "json_schema" in part["properties"]:
            part["properties"]["json_schema"] = _or_file(part["properties"]["json_schema"])
        part["properties"] = {
            key: _or_given(child, parts) for key, child in part["properties"].items()
        }
    parts[GIVEN] = {
        "type": ["string", "null"],
        "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$",
        "description": "A var, `${name}`; or nothing, which takes away what a recipe that is extended says.",
    }
    found["required"] = list(_ALWAYS)
    return {**found, "if": {"required": [KEY]}, "then": {}, "else": needs}


def _merged(
    part: dict[str, Any], parts: Mapping[str, Any], seen: set[int]
) -> Iterator[dict[str, Any]]:
    """Yield a mapping with keys of its own and those below it that are merged: not what stands in lists."""
    part = _followed(part, parts)
    if id(part) in seen:
        return
    seen.add(id(part))
    for branch in part.get("anyOf", ()):
        yield from _merged(branch, parts, seen)
    if "properties" in part:
        yield part
        for key, child in part["properties"].items():
            if key != "vars":
                yield from _merged(child, parts, seen)


def _or_file(part: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a mapping that may also stand in a file, which is named."""
    about = {key: part[key] for key in ABOUT if key in part}
    about["description"] = (
        f"{part.get('description', '')} Or the path of a JSON file with it.".strip()
    )
    inner = {key: each for key, each in part.items() if key not in about}
    return {"anyOf": [inner, {"type": "string"}], **about}


def _or_given(part: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may also be a var, or be taken away; texts may be the first already."""
    whole = _followed(part, parts)
    if "const" in whole or ("enum" not in whole and _takes_text(whole, parts)):
        return part
    about = {key: part[key] for key in ABOUT if key in part}
    return {
        "anyOf": [{key: each for key, each in part.items() if key not in about}, GIVEN_REF],
        **about,
    }


def _takes_text(part: dict[str, Any], parts: Mapping[str, Any]) -> bool:
    part = _followed(part, parts)
    if any(_takes_text(each, parts) for each in part.get("anyOf", ())):
        return True
    return part.get("type") == "string" and "enum" not in part and "pattern" not in part


def _followed(part: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        part = parts[part["$ref"].rpartition("/")[2]]
    return part


def _is_list(part: dict[str, Any], parts: Mapping[str, Any]) -> bool:
    part = _followed(part, parts)
    return part.get("type") == "array" or any(
        _is_list(each, parts) for each in part.get("anyOf", ())
    )


def _needs(part: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a mapping requires, and those below it, where all forms of it do; None for nothing."""
    part = _followed(part, parts)
    forms = [_followed(each, parts) for each in part.get("anyOf", [part])]
    forms = [each for each in forms if each.get("type") != "null"]
    if not forms or not all("properties" in each for each in forms):
        return None
    required = [
        key
        for key in forms[0].get(UNLESS, ())
        if all(key in each.get(UNLESS, ()) for each in forms)
    ]
    below = {
        key: needs
        for key, child in forms[0]["properties"].items()
        if (needs := _needs(child, parts))
    }
    shared = {
        key: needs
        for key, needs in below.items()
        if all(key in each["properties"] for each in forms)
    }
    if not required and not shared:
        return None
    return {"required": required, **({"properties": shared} if shared else {})}
