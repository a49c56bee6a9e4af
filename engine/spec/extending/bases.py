"""The recipes that a recipe extends: found, read and merged, each with its own places.

A base need not be whole: what is required is checked when all are merged. It is read for the recipe that was asked for,
so it passes that recipe's gate; one in a package leads to the files of this package alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import Location, Problem, RecipeError
from engine.gate import package_of
from engine.registry import did_you_mean
from engine.spec.extending.merging import ADDS, inherited
from engine.spec.extending.packages import NamedInPackage, in_package, known_packages
from engine.spec.named_files import passed_file
from engine.spec.yaml import Document, KeyPath, decode, parse, read_bytes

KEY = "extends"
DEEPEST = 10
"""Recipes that may stand behind one another."""
OWN: frozenset[str] = frozenset({"recipe", "name", "version", "description", KEY})
"""Keys that nobody inherits: each recipe's own."""
USERS_TO_SAY: Mapping[str, str] = {
    "limits": "limits of a package's recipe do not hold for recipes that extend it",
    "executor": "the executor of a package's recipe is not that of recipes that extend it",
}
"""Key -> the warning: what a step may take, and where work is done, is for the user to say, and not for whoever wrote
a package."""

_OTHERS: Mapping[str, str] = {
    "taxonomy": "a taxonomy",
    "method": "a method",
    "pack": "a pack",
    "operator": "an operator",
    "project": "a project file",
}
"""Format key of what else may lie in such a file -> what it is."""


@dataclass(frozen=True)
class Extended:
    """A recipe merged with those that it extends."""

    document: Document
    """What is merged, with `extends` as the recipe itself has it."""
    bases: tuple[Document, ...] = ()
    """The recipes that it extends, the nearest first, each as it is written."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the bases, absolute, the nearest first."""
        return tuple(base.path for base in self.bases)


def with_bases(own: Document, file: Path) -> Extended:
    """Return a recipe merged with those that it extends.

    Args:
        own: The recipe as it is written.
        file: Its file.

    Raises:
        RecipeError: a base is not there, cannot be read or merged, or they extend each other.
    """
    base = file.absolute().parent
    chain = [replace(own, path=file)]
    while KEY in chain[-1].data:
        chain.append(_read(chain, base))
    if len(chain) == 1:
        if problems := list(_additions(own)):
            raise RecipeError(problems)
        return Extended(own)
    if problems := list(_additions(chain[-1])):
        raise RecipeError(problems)
    merged = _inheritable(chain[-1], base)
    for each in reversed(chain[1:-1]):
        merged = inherited(merged, _inheritable(each, base))
    merged = inherited(merged, own)
    words = ", which extends ".join(Location.at(each.path).file for each in chain)
    return Extended(replace(merged, path=own.path, extended=words), tuple(chain[1:]))


def _read(chain: Sequence[Document], base: Path) -> Document:
    """Return the recipe that the last one of a chain extends; raises RecipeError."""
    last = chain[-1]
    where, named = last.at((KEY,)), _named(chain)
    file, passed = _found(last, named, base)
    if circle := [i for i, each in enumerate(chain) if os.path.samefile(each.path, passed)]:
        hops = [*chain[circle[0] :], chain[circle[0]]]
        names = " → ".join(Location.at(each.path).file for each in hops)
        raise _refused(where, f"these recipes extend each other: {names}", "take one `extends` out")
    try:
        text = decode(read_bytes(passed), file)
    except RecipeError as error:
        # Its problems name what was opened: it is told by the name that the recipe leads to.
        told = [Location.at(file, p.where.line, p.where.column) for p in error.problems]
        problems = [replace(p, where=at) for p, at in zip(error.problems, told, strict=True)]
        raise RecipeError(problems) from None
    except OSError as error:
        message = f"{named} cannot be read: {error.strerror}"
        raise _refused(where, message, "check its permissions") from None
    document = parse(text, file)
    _check_format(document, named, where)
    return document


def _refused(where: Location, message: str, hint: str) -> RecipeError:
    return RecipeError([Problem(where, message, hint, code=KEY)])


def _named(chain: Sequence[Document]) -> str:
    """Return what the last recipe of a chain says that it extends; raises RecipeError where that cannot be."""
    where, named = chain[-1].at((KEY,)), chain[-1].data[KEY]
    if not isinstance(named, str) or not named.strip():
        hint = "write the path of one recipe: `extends: ../shared/base.yaml`, or `package/path`"
        raise _refused(where, "extends names no file", hint)
    if "${" in named:
        hint = "write it out: vars are known when all recipes are merged"
        raise _refused(where, "extends cannot be made of vars", hint)
    if len(chain) > DEEPEST:
        names = " → ".join(Location.at(each.path).file for each in chain)
        message = f"more than {DEEPEST} recipes stand behind one another: {names}"
        raise _refused(where, message, "extend one of the last ones directly")
    return named


def _found(last: Document, named: str, base: Path) -> tuple[Path, Path]:
    """Return the file that a recipe extends, as it is named and resolved; raises RecipeError where it cannot be."""
    where, folder = last.at((KEY,)), last.path.absolute().parent
    try:
        there = in_package(named, folder, base)
        file = Path(os.path.normpath(folder / named)) if there is None else there.place
        passed = passed_file(file, base, KEY)
    except RecipeError as error:
        raise _refused(where, error.problems[0].message, error.problems[0].hint) from None
    if passed.is_dir():
        hint = f"name the file in it: {named.rstrip('/')}/recipe.yaml"
        raise _refused(where, f"extends names a folder: {named}", hint)
    if not passed.is_file():
        raise _refused(where, *_missing(named, file, folder, there))
    return file, passed


def _missing(named: str, file: Path, folder: Path, found: NamedInPackage | None) -> tuple[str, str]:
    """Return that a base is not there, and what is near."""
    if found is not None:
        return found.missing()
    near = [path.name for path in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
    hint = did_you_mean(file.name, near)
    first = Path(named).parts[0] if Path(named).parts else ""
    if not hint and len(Path(named).parts) > 1 and not first.startswith("."):
        packages = known_packages(folder)
        hint = did_you_mean(first, packages)
        hint = f"{hint} (a package)" if hint and packages else hint
    return (
        f"there is no recipe {named}",
        hint or f"it is looked for from {Location.at(folder).file}",
    )


def _check_format(document: Document, named: str, where: Location) -> None:
    """Raise RecipeError for a file that is no recipe, or one of another format."""
    version = document.data.get("recipe")
    if version == 1 and not isinstance(version, bool):
        return
    if "recipe" not in document.data:
        kind = next(
            (
                kind
                for kind in ("taxonomy", "method", "pack", "operator", "project")
                if kind in document.data
            ),
            "",
        )
        what = f"a {kind} file" if kind and kind != "operator" else "an operator" if kind else ""
        message = f"{named} is no recipe: it " + (
            f"is {what}" if what else "does not begin with `recipe: 1`"
        )
        hint = (
            "name a recipe"
            if what
            else f"write `recipe: 1` at the beginning of {Location.at(document.path).file}"
        )
        raise RecipeError([Problem(where, message, hint, code=KEY)])
    message = f"recipe must be 1, not {version!r}"
    hint = "1 is the format version this engine reads: a newer engine may read this file"
    raise RecipeError([Problem(document.at(("recipe",)), message, hint, code="value")])


def _inheritable(document: Document, base: Path) -> Document:
    """Return what a recipe hands on to those that extend it; of a package less, of which warnings tell."""
    left, warnings = OWN, document.warnings
    foreign = package_of(document.path.absolute().parent, base) is not None
    for key, message in USERS_TO_SAY.items():
        if foreign and key in document.data:
            hint = f"where it needs them, write them into your own recipe: `{key}: …`"
            where = document.at((key,), key=True)
            left = left | {key}
            warnings = (*warnings, Problem(where, message, hint, level="warning", code=key))
    data = {key: value for key, value in document.data.items() if key not in left}
    keys, values = (
        {path: place for path, place in places.items() if path[:1] and path[0] not in left}
        for places in (document.keys, document.values)
    )
    return replace(document, data=data, keys=keys, values=values, warnings=warnings)


def _additions(document: Document) -> list[Problem]:
    """Return the keys that add to a list, in a recipe that extends none."""
    found: list[Problem] = []

    def look(value: object, path: KeyPath) -> None:
        if isinstance(value, Mapping):
            for key, child in value.items():
                here = (*path, key)
                if (
                    isinstance(key, str)
                    and key.startswith(ADDS)
                    and len(key) > 1
                    and isinstance(child, list)
                ):
                    message = f"'{key}' adds to the list of a recipe that this one extends, and it extends none"
                    hint = f"write `{key.removeprefix(ADDS)}:`, or `extends:`"
                    found.append(Problem(document.at(here, key=True), message, hint, code="merge"))
                look(child, here)

    look(document.data, ())
    return found
