"""The full recipe that comes of all that a recipe builds on, as YAML that loads alone, each line with its source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import Location
from engine.gate.roots import PROJECT
from engine.spec.extending.packages import as_reference
from engine.spec.extending.settings import SETTING
from engine.spec.extending.variables import VARIABLE
from engine.spec.loader import LoadedRecipe, dotted
from engine.spec.recipe import Recipe
from engine.spec.yaml import KeyPath
from engine.spec.yaml_writing import scalar
from engine.system.plain_text import clean, is_plain

DEFAULT = "default"
"""What a value is from that stands in no file."""
_DROPPED = frozenset({"extends", "vars"})
"""Keys of no account once all is merged."""
_LEFT_OPEN: tuple[KeyPath, ...] = (("data",), ("failures",))
"""Parts whose defaults are not written out: what is said there of how files are written would be held against them."""


class Resolved(NamedTuple):
    """A whole recipe, and where each value in it is from."""

    data: dict[str, Any]
    """The recipe, which loads from the folder of the one it was made of; texts as they are, `${` not doubled."""
    origins: Mapping[KeyPath, str]
    """For each value that is no mapping and no list with something in it: file and line, from the recipe's folder or as
    `package/path`; `--set`, `method NAME`, or `default`."""


def resolved(loaded: LoadedRecipe, *, defaults: bool = False) -> Resolved:
    """Return the full recipe that a recipe is with all that it builds on.

    Args:
        loaded: The recipe.
        defaults: Whether what it leaves open is written out too, as far as that is known without the data.
    """
    written = {key: deepcopy(value) for key, value in loaded.document.data.items()}
    data = {
        key: written[key] for key in Recipe.model_fields if key in written and key not in _DROPPED
    }
    origin = _Origins(loaded)
    origins = {path: origin.of(path) for path, _ in leaves(data)}
    if defaults:
        whole = {**dict.fromkeys(loaded.effective), **data}
        data = {key: whole[key] for key in Recipe.model_fields if key in whole}
        _fill(data, loaded.effective, (), origins)
    return Resolved(data, origins)


def leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield what a value is made of: each part that is no mapping and no list, and those that are empty."""
    if isinstance(value, Mapping) and value:
        for key, child in value.items():
            yield from leaves(child, (*path, key))
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            yield from leaves(child, (*path, index))
    else:
        yield path, value


def _fill(
    data: dict[str, Any], whole: Mapping[str, Any], path: KeyPath, origins: dict[KeyPath, str]
) -> None:
    """Put into a mapping what it leaves open, in place; what is empty there says nothing."""
    for key, value in whole.items():
        here = (*path, key)
        old = data.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            _fill(old, value, here, origins)
        elif old is None:
            if value in (None, "", [], {}) or here[:1] in _LEFT_OPEN:
                data.pop(key, None)
                continue
            made: dict[str, Any] = {}
            if isinstance(value, Mapping):
                _fill(made, value, here, origins)
            if made or not isinstance(value, Mapping):
                data[key] = made or deepcopy(value)
                origins |= {(*here, *p): DEFAULT for p, _ in leaves(data[key])}
            else:
                data.pop(key, None)


class _Origins:
    """Says where values are from."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        self._loaded = loaded
        self._files = {Location.at(loaded.path).file: loaded.path.name}
        for file in loaded.bases:
            self._files[Location.at(file).file] = _shown(file, loaded.base)

    def of(self, path: KeyPath) -> str:
        """Return where the value at a path is from."""
        place = self._loaded.at(*path)
        if place.file.startswith(SETTING.format("")):
            return "--set"
        file = self._files.get(place.file)
        if file is None and Path(place.file).name == PROJECT:
            return f"{PROJECT}:{place.line}"
        if file is None:
            return f"method {Path(place.file).stem}"
        names = next(
            (self._loaded.given_vars[p] for p in _above(path) if p in self._loaded.given_vars), ()
        )
        var = "".join(f", --var {name}" for name in names)
        return (f"{file}:{place.line}" if place.line else file) + var


def _above(path: KeyPath) -> Iterator[KeyPath]:
    for depth in range(len(path), 0, -1):
        yield path[:depth]


def _shown(file: Path, base: Path) -> str:
    file = file.absolute()
    return as_reference(file, base) or Path(os.path.relpath(file, base)).as_posix()


def as_yaml(found: Resolved, *, plain: bool = False) -> str:
    """Return a resolved recipe as YAML, each line with where it is from behind it; without that where it is `plain`."""
    lines = list(_lines(found.data, (), 0))
    width = min(60, max((len(text) for text, path in lines if path), default=0))
    shown = []
    for text, path in lines:
        origin = found.origins.get(path) if path is not None and not plain else None
        # A comment ends with its line, whatever a file is called.
        shown.append(text if origin is None else f"{text:<{width}}  # {clean(origin)}")
    return "".join(f"{line}\n" for line in shown)


def _lines(value: Any, path: KeyPath, depth: int) -> Iterator[tuple[str, KeyPath | None]]:
    """Yield the lines of a mapping or a list, each with the path of its value; None for one that only opens another."""
    margin = "  " * depth
    is_mapping = isinstance(value, Mapping)
    for key, child in value.items() if is_mapping else enumerate(value):
        here = (*path, key)
        begin = f"{margin}{scalar(str(key))}:" if is_mapping else f"{margin}-"
        if isinstance(child, Mapping | list) and child:
            if is_mapping:
                yield begin, None
                yield from _lines(child, here, depth + 1)
            else:
                # The first line of an item stands behind its dash.
                inner = list(_lines(child, here, depth + 1))
                first, at = inner[0]
                yield f"{margin}- {first[len(margin) + 2 :]}", at
                yield from inner[1:]
        else:
            yield f"{begin} {_scalar(child)}", here


def _scalar(value: Any) -> str:
    """Return a value on one line, as it is read back: `${` is no var any more."""
    if isinstance(value, str):
        text = VARIABLE.sub(lambda found: f"${found[0]}", value)
        # What cannot be seen is written by its codes.
        return scalar(text) if is_plain(text) else json.dumps(text)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return "[]" if value == [] else "{}" if value == {} else repr(value)


def records(found: Resolved) -> Iterator[dict[str, Any]]:
    """Yield each value with its dotted key and where it is from."""
    for path, value in leaves(found.data):
        yield {"key": dotted(path), "value": value, "from": found.origins[path]}
