"""Files of packages, named as `package/path`: found, kept inside their package, and missed with what is near."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from engine.errors import Location, RecipeError
from engine.gate import name_packages, project_of
from engine.gate.roots import PROJECT
from engine.registry import did_you_mean
from engine.spec.repository import package_folders, packaged


class NamedInPackage(NamedTuple):
    """What `package/path` names."""

    name: str
    """Of the package."""
    folder: Path
    """The package's own."""
    place: Path
    """What is named, absolute; it need not be there."""

    @property
    def rest(self) -> str:
        """The path within the package."""
        return self.place.relative_to(self.folder).as_posix()

    def missing(self) -> tuple[str, str]:
        """Return that it is not there, and what is near."""
        message = f"the package '{self.name}' has no {self.rest} (it lies in {Location.at(self.folder).file})"
        beside = self.place.parent
        if not beside.is_dir():
            # The folder is wrong already: the innermost one that is there tells what it may have been meant to be.
            wrong = next(each for each in (beside, *beside.parents) if each.parent.is_dir())
            names = [each.name for each in wrong.parent.iterdir() if each.is_dir()]
            near = did_you_mean(wrong.name, names)
            return message, near or f"{self._shown(wrong.parent)} has {_listed(names)}"
        names = [each.name for each in beside.iterdir() if not each.name.startswith(".")]
        return message, did_you_mean(
            self.place.name, names
        ) or f"{self._shown(beside)} has {_listed(names)}"

    def _shown(self, folder: Path) -> str:
        return "/".join([self.name, *folder.relative_to(self.folder).parts])


def has_project(folder: Path) -> bool:
    """Return whether there is a `pada.yaml` for a folder that may name packages; an empty one only marks a project."""
    file = project_of(folder) / PROJECT
    return file.is_file() and file.stat().st_size > 0


def known_packages(folder: Path) -> Mapping[str, Path]:
    """Return the packages that files in a folder may name, name -> folder; none where they are not all installed."""
    try:
        return package_folders(folder) if has_project(folder) else {}
    except RecipeError:
        return {}


def in_package(reference: str, folder: Path, base: Path) -> NamedInPackage | None:
    """Return what a reference names in a package; None where its first part is no package's name.

    Args:
        reference: As it is written.
        folder: Of the file in which it is written.
        base: The folder of the recipe for which it is read: what lies in the package may be read for it.

    Raises:
        RecipeError: it leaves the package, the package is not installed, or a folder has the package's name.
    """
    first, _, rest = PurePosixPath(reference).as_posix().partition("/")
    if not rest or "://" in reference or first[:1] in ("", ".", "/", "~") or "\0" in reference:
        return None
    place = packaged(reference, folder) if has_project(folder) else None
    if place is None:
        return None
    home = Path(*place.parts[: -len(PurePosixPath(rest).parts)])
    return _named(first, home, Path(os.path.normpath(home / rest)), base)


def whole_package(name: str, folder: Path, base: Path) -> NamedInPackage | None:
    """Return a package by its name alone, as `in_package`; None where it is none's, or a folder beside has it."""
    if "/" in name or (folder / name).exists():
        return None
    found = in_package(f"{name}/{PROJECT}", folder, base)
    return None if found is None else found._replace(place=found.folder)


def _named(name: str, home: Path, place: Path, base: Path) -> NamedInPackage:
    home = Path(os.path.normpath(home.absolute()))
    name_packages(base, [home])
    return NamedInPackage(name, home, place.absolute())


def as_reference(place: Path, base: Path) -> str | None:
    """Return how the recipe in `base` names a place in one of its packages; None for a place in none."""
    for name, folder in known_packages(base).items():
        home = Path(os.path.normpath(folder.absolute()))
        # The recipe's own project is no package of its own.
        if place.is_relative_to(home) and not base.absolute().is_relative_to(home):
            return name if place == home else f"{name}/{place.relative_to(home).as_posix()}"
    return None


def is_there(place: Path, *, pattern: bool) -> bool:
    """Return whether there is a file or folder; of data also one by a pattern, or with an ending that is left out."""
    if place.exists():
        return True
    if not pattern:
        return False
    if glob.has_magic(str(place)):
        return True
    return place.parent.is_dir() and any(
        f.name.startswith(f"{place.name}.") for f in place.parent.iterdir()
    )


def _listed(names: list[str]) -> str:
    shown = sorted(names)[:8]
    return (", ".join(shown) + (", …" if len(names) > len(shown) else "")) or "nothing"
