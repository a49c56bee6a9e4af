"""Which keys of a recipe lead to files, and where from: a path counts from the folder of the file in which it stands.

A recipe that extends another has paths of several folders. They are written as the recipe's own folder has them
(`moved`), so that what is merged is a recipe like any other; then what is named as `package/path` is found (`located`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine import json_text
from engine.errors import EngineError, Location, Problem, RecipeError, reason_of
from engine.gate import package_of
from engine.gate.roots import real
from engine.spec.extending.packages import (
    NamedInPackage,
    as_reference,
    has_project,
    in_package,
    is_there,
    whole_package,
)
from engine.spec.method import find_methods
from engine.spec.named_files import Further, passed_file
from engine.spec.pack import FILE as PACK_FILE
from engine.spec.pack import find_packs
from engine.spec.yaml import Document, KeyPath, read_text
from engine.sql.query_files import relocated

Kind = Literal[
    "data", "file", "folder", "model", "query", "json", "prompt", "pack", "method", "operator"
]
"""What leads to files: data files, one file or folder, a model by its folder, a query over files, a schema that may
stand in a file, or a name that may be a `package/path`."""
ANY = "*"
PATHS: tuple[tuple[KeyPath, Kind], ...] = (
    (("look_in", ANY), "folder"),
    (("task", "prompt"), "prompt"),
    (("task", "params", "json_schema"), "json"),
    (("train", "prompt"), "prompt"),
    (("data", ANY, "path"), "data"),
    (("data", ANY, "database"), "file"),
    (("data", ANY, "sql"), "query"),
    (("failures", "path"), "data"),
    (("failures", "database"), "file"),
    (("failures", "sql"), "query"),
    (("models", ANY, "model"), "model"),
    (("models", ANY, "tokenizer"), "model"),
    (("models", ANY, "adapter"), "file"),
    (("models", ANY, "replies"), "file"),
    (("models", ANY, "pack"), "pack"),
    (("patterns", "taxonomy"), "file"),
    (("patterns", "taxonomy", "file"), "file"),
    (("augment", "operators", ANY, "name"), "operator"),
    (("augment", "operator_folders", ANY), "folder"),
    (("loop", "method"), "method"),
)
"""Every key whose text leads to files, with what it leads to. A new key of that sort belongs here."""
LOOKED_IN = ("prompts", "schemas", "operators", "methods")
"""Folders beside a recipe in which things are found by their names."""
_NAMES: frozenset[Kind] = frozenset({"prompt", "pack", "method", "operator"})


def kind_of(path: KeyPath) -> Kind | None:
    """Return what the value at a path leads to; None where it leads to no file."""
    return next((kind for pattern, kind in PATHS if _fits(path, pattern)), None)


def _fits(path: KeyPath, pattern: KeyPath) -> bool:
    return len(path) == len(pattern) and all(
        p in (ANY, part) for part, p in zip(path, pattern, strict=True)
    )


def _paths(data: Any) -> Iterator[tuple[KeyPath, Kind, str]]:
    """Yield each text of a recipe that leads to files."""
    for pattern, kind in PATHS:
        for path, value in _at(data, pattern, ()):
            if isinstance(value, str) and value:
                yield path, kind, value


def _at(value: Any, pattern: KeyPath, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if not pattern:
        yield path, value
        return
    first, *rest = pattern
    parts: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, Mapping):
        parts = iter(value.items())
    elif isinstance(value, list):
        parts = iter(enumerate(value))
    for key, child in parts:
        if first in (ANY, key):
            yield from _at(child, tuple(rest), (*path, key))


def moved(
    document: Document,
    bases: Sequence[Document],
    base: Path,
    starts: Mapping[KeyPath, Location],
    given: Collection[KeyPath],
) -> Document:
    """Return a merged recipe in which the paths of those that it extends count from the folder of the recipe.

    Args:
        document: What is merged, its vars replaced.
        bases: The recipes that it extends.
        base: The recipe's folder.
        starts: Where the var was written with which a path begins, in place of where the path was.
        given: Paths that begin with what the user gave.

    Raises:
        RecipeError: a path leaves its package.
    """
    folders = {Location.at(each.path).file: each.path.absolute().parent for each in bases}
    data = deepcopy(document.data)
    problems: list[Problem] = []
    for path, kind, text in _paths(data):
        where = document.at(path)
        folder = folders.get(starts.get(path, where).file)
        if folder is None or folder == base:
            continue
        move = _Move(folder, base, package_of(folder, base), path in given)
        try:
            _put(data, path, move.text(text, kind, has_tables=_has_tables(data, path)))
        except RecipeError as error:
            problems += [
                replace(p, where=where, message=f"{_dotted(path)}: {p.message}")
                for p in error.problems
            ]
    if problems:
        raise RecipeError(problems)
    return _with_folders(replace(document, data=data), bases, base)


class _Move(NamedTuple):
    """From the folder of a recipe that is extended to that of the one that extends it."""

    folder: Path
    base: Path
    package: Path | None
    """In which the folder lies, and which its paths may not leave."""
    given: bool
    """Whether the text begins with what the user gave."""

    def text(self, text: str, kind: Kind, *, has_tables: bool = False) -> str:
        """Return a text as the recipe itself would have it; raises RecipeError."""
        if kind == "query":
            return relocated(text, has_tables, lambda name: self.text(name, "data"))
        if "://" in text or "\0" in text:
            return text
        if text.startswith(("/", "~")):
            self._check(Path(text))
            return text
        found = _named(text, kind, self.folder, self.base)
        if found is None and kind in _NAMES:
            # By its name it is looked for beside each of the recipes.
            return text
        place = Path(os.path.normpath(self.folder / text)) if found is None else found.place
        if kind == "model" and found is None and not _is_place(text, place):
            return text
        if found is None:
            self._check(place)
        if (reference := as_reference(place, self.base)) is not None:
            return reference
        if found is not None and kind in _NAMES:
            message = f"'{text}' is of the package '{found.name}', which the recipe's project does not name"
            hint = "add it to `packages` in the project's pada.yaml"
            raise RecipeError([Problem(Location(""), message, hint, code="package")])
        return _relative(place, kind, self.base)

    def _check(self, place: Path) -> None:
        """Raise RecipeError for a place outside of the package whose recipe names it."""
        if self.package is not None and not self.given and not place.is_relative_to(self.package):
            message = f"this leaves the package in {Location.at(self.package).file}"
            hint = "a recipe of a package names files of it, or a var that the user gives"
            raise RecipeError([Problem(Location(""), message, hint, code="package")])


def _named(text: str, kind: Kind, folder: Path, base: Path) -> NamedInPackage | None:
    """Return what a text in a folder names in a package; None for what is in none."""
    found = in_package(text, folder, base)
    return whole_package(text, folder, base) if found is None and kind == "folder" else found


def _relative(place: Path, kind: Kind, base: Path) -> str:
    """Return a place as a path from a folder; a model's begins with a dot, or it would be a name."""
    relative = Path(os.path.relpath(place, base.absolute())).as_posix()
    return f"./{relative}" if kind == "model" and not relative.startswith(".") else relative


def _is_place(text: str, place: Path) -> bool:
    """Return whether a model's name is a place on this machine."""
    try:
        return text.startswith(".") or (not text.startswith("embedded/") and place.exists())
    except OSError:
        return False


def _has_tables(data: Any, path: KeyPath) -> bool:
    """Return whether a query at a path is over the tables of a database."""
    here = data
    for key in path[:-1]:
        here = here[key]
    return isinstance(here, Mapping) and here.get("database") is not None


def _with_folders(document: Document, bases: Sequence[Document], base: Path) -> Document:
    """Return a recipe that looks in the folders of those that it extends, before those that it names."""
    folders: dict[str, Location] = {}
    for each in bases:
        folder = each.path.absolute().parent
        if folder != base and any((folder / name).is_dir() for name in LOOKED_IN):
            shown = as_reference(folder, base) or Path(os.path.relpath(folder, base)).as_posix()
            folders.setdefault(shown, Location.at(each.path))
    named = document.data.get("look_in", [])
    if not folders or not isinstance(named, list):
        return document
    keys, values = dict(document.keys), dict(document.values)
    shift = len(folders)
    for places in (keys, values):
        known = {
            path: place
            for path, place in places.items()
            if path[:1] == ("look_in",) and len(path) > 1
        }
        for path in known:
            del places[path]
        for path, place in known.items():
            number = path[1]
            assert isinstance(number, int)
            places["look_in", number + shift, *path[2:]] = place
    for number, place in enumerate(folders.values()):
        values["look_in", number] = place
        keys.setdefault(("look_in",), place)
    data = {**document.data, "look_in": [*folders, *named]}
    return replace(document, data=data, keys=keys, values=values)


def referenced(data: Mapping[str, Any], base: Path, packages: Mapping[str, Path]) -> dict[str, Any]:
    """Return a recipe that names what lies in packages as `package/path`, also where it does so by a path.

    Args:
        data: A recipe, as it is written or as it is found.
        base: Its folder.
        packages: Name -> folder, resolved, of all packages of its project: also of those that it does not name itself.
    """
    found: dict[str, Any] = deepcopy(dict(data))

    def name(text: str, kind: Kind) -> str:
        is_name = kind == "model" and not text.startswith((".", "/"))
        if is_name or "://" in text or "\0" in text or text.startswith("~"):
            return text
        for place in (Path(os.path.normpath(base / text)), real(base / text)):
            for package, folder in packages.items():
                if place.is_relative_to(folder):
                    return (Path(package) / place.relative_to(folder)).as_posix()
        return text

    for path, kind, text in _paths(data) if packages else ():
        if kind == "query":
            tables = _has_tables(data, path)
            _put(found, path, relocated(text, tables, lambda file: name(file, "data")))
        elif kind not in _NAMES:
            _put(found, path, name(text, kind))
    return found


@dataclass
class Located:
    """A recipe whose `package/path`s are found."""

    data: dict[str, Any]
    """With paths from the recipe's folder, and plain names."""
    further: Further = field(default_factory=Further)
    problems: list[Problem] = field(default_factory=list)


def located(document: Document, base: Path) -> Located:
    """Find what a recipe names in packages, and the folders in which it looks."""
    found = Located(deepcopy(document.data))
    packages = has_project(base)
    folders: list[Path] = []
    named: dict[Kind, dict[str, Path]] = {"pack": {}, "method": {}, "operator": {}}
    for path, kind, text in _paths(document.data):
        try:
            if packages:
                _locate(found.data, path, kind, text, base, named)
            if path[0] == "look_in":
                folders.append(_folder(_value(found.data, path), base))
            elif kind == "json":
                _put(found.data, path, _schema(_value(found.data, path), base))
        except EngineError as error:
            problems = error.problems if isinstance(error, RecipeError) else [error]
            where = document.at(path)
            found.problems += [
                Problem(where, f"{_dotted(path)}: {p.message}", p.hint, code="package")
                for p in problems
            ]
    found.further = Further(tuple(folders), named["operator"], named["pack"], named["method"])
    return found


def _locate(
    data: dict[str, Any],
    path: KeyPath,
    kind: Kind,
    text: str,
    base: Path,
    named: Mapping[Kind, dict[str, Path]],
) -> None:
    """Put the place of what a text names in a package where the text stands; raises RecipeError."""
    if kind == "query":
        has_tables = _has_tables(data, path)
        _put(
            data, path, relocated(text, has_tables, lambda name: _place(name, "data", base) or name)
        )
        return
    if (found := _named(text, kind, base, base)) is None:
        return
    if kind not in named:
        place = _place(text, kind, base)
        _put(data, path, text if kind == "prompt" else place)
        return
    file = _file_of(found, kind)
    passed_file(file, base, kind)
    name = file.stem if kind == "method" else file.parent.name if kind == "pack" else file.name
    if named[kind].setdefault(name, file) != file:
        message, hint = f"two of them are called '{name}'", "rename one, its file or folder too"
        raise RecipeError([Problem(Location(""), message, hint)])
    ours = find_packs(None) if kind == "pack" else find_methods(None) if kind == "method" else {}
    if name in ours:
        message, hint = f"the engine has a {kind} '{name}' too", "it needs another name"
        raise RecipeError([Problem(Location(""), message, hint)])
    _put(data, path, name)


def _place(text: str, kind: Kind, base: Path) -> str | None:
    """Return the place that a text names in a package, from the recipe's folder; None for what is in none."""
    found = _named(text, kind, base, base)
    if found is None:
        return None
    passed_file(found.place, base, "package")
    if not is_there(found.place, pattern=kind == "data"):
        raise _missing(found)
    return _relative(found.place, kind, base)


def _file_of(found: NamedInPackage, kind: Kind) -> Path:
    """Return the file or folder behind the `package/path` of a pack, a method or an operator; raises RecipeError."""
    place = found.place
    if kind == "method" and place.suffix not in (".yaml", ".yml"):
        place = place.with_name(f"{place.name}.yaml")
    if kind == "pack":
        place = place / PACK_FILE
    if not (place.is_dir() if kind == "operator" else place.is_file()):
        raise _missing(found._replace(place=place))
    return place


def _missing(found: NamedInPackage) -> RecipeError:
    message, hint = found.missing()
    return RecipeError([Problem(Location(""), message, hint, code="package")])


def _folder(text: str, base: Path) -> Path:
    """Return a folder that a recipe looks in, links in it kept; raises RecipeError where it may not be used."""
    folder = Path(os.path.normpath(base / text))
    if not passed_file(folder, base, "look_in").is_dir():
        hint = "it is looked for from the recipe's folder"
        raise RecipeError([Problem(Location(""), f"there is no folder {text}", hint)])
    if not any((folder / name).is_dir() for name in LOOKED_IN):
        hint = (
            f"name the folder that has one of them, not one of them: {Path(text).parent.as_posix()}"
        )
        message = f"{text} has no {', '.join(LOOKED_IN[:-1])} or {LOOKED_IN[-1]}"
        raise RecipeError(
            [Problem(Location(""), message, hint if folder.name in LOOKED_IN else "")]
        )
    return folder


def _schema(text: str, base: Path) -> Any:
    """Return the JSON that stands in a file; raises RecipeError where there is none."""
    file = passed_file(base / text, base, "schema")
    if not file.is_file():
        raise RecipeError(
            [
                Problem(
                    Location(""),
                    f"there is no file {text}",
                    "it is looked for from the recipe's folder",
                )
            ]
        )
    written = read_text(file)
    try:
        return json_text.parse(written)
    except ValueError as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        message = f"{text}{line} is not JSON: {reason_of(error)}"
        raise RecipeError([Problem(Location(""), message, "write a JSON Schema")]) from None


def _value(data: Any, path: KeyPath) -> Any:
    for key in path:
        data = data[key]
    return data


def _put(data: Any, path: KeyPath, value: Any) -> None:
    _value(data, path[:-1])[path[-1]] = value


def _dotted(path: KeyPath) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(
        "."
    )
