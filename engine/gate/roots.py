"""The roots under which a recipe may read: its project, what the user named, the engine's own files and caches.

What the user names on a command line holds for the process (`allow`) or for the recipe of one folder (`name_places`);
what they trust for good stands in their own configuration. Nothing that came with a recipe adds to any of it.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from engine.gate.packages import trusting_project
from engine.system.files import write_private
from engine.system.places import cache_root, config_root, expanded, hub_caches

PROJECT = "pada.yaml"
"""A file that makes its folder the project of all recipes below it."""
TRUSTED = "trusted"
"""The file of the user's configuration with what recipes may read, a path a line."""

_PACKAGE = Path(os.path.realpath(__file__)).parents[1]
_SHIPPED = (
    (_PACKAGE,)
    if (_PACKAGE / "_shipped").is_dir()
    # In a checkout these lie beside the package.
    else (_PACKAGE, *(_PACKAGE.parent / kind for kind in ("prompts", "schemas", "recipes")))
)
"""The engine's own files."""

_allowed: dict[Path, None] = {}
_named: dict[Path, frozenset[Path]] = {}
_packages: dict[Path, frozenset[Path]] = {}


def allow(*places: str | Path) -> None:
    """Let the recipes of this process read what is at these places: the user has named them."""
    _allowed.update(dict.fromkeys(real(expanded(place)) for place in places))


def allowed() -> tuple[Path, ...]:
    """Return what the user let the recipes of this process read."""
    return tuple(_allowed)


class Granted(NamedTuple):
    """What the user let the recipes of a process read, for another process that works for it."""

    allowed: tuple[Path, ...]
    named: Mapping[Path, frozenset[Path]]
    packages: Mapping[Path, frozenset[Path]]


def granted() -> Granted:
    """Return what the recipes of this process may read beside their projects."""
    return Granted(tuple(_allowed), dict(_named), dict(_packages))


def grant(what: Granted) -> None:
    """Let the recipes of this process read what those of another one may, for which this one works."""
    _allowed.update(dict.fromkeys(what.allowed))
    _named.update(what.named)
    _packages.update(what.packages)


def name_places(base: Path, values: Iterable[str]) -> None:
    """Let the recipe in a folder read what the user's values of its vars name, and nothing that earlier ones did.

    A value may be a file, a folder, a pattern, or a file without its ending; one that is none of these names nothing.
    """
    found = {place for value in values for place in _places(value)}
    # Of a lone `/` nobody means that all of the machine may be read.
    _named[base] = frozenset(place for place in found if place != Path(place.anchor))


def name_packages(base: Path, folders: Iterable[Path]) -> None:
    """Let the recipe in a folder read the files of packages, each of which leads to its own folder and no further.

    A package outside of the recipe's project is one that somebody's `pada.yaml` points at: it needs the user's word.
    """
    project = project_of(base)
    found = {Path(os.path.normpath(f.absolute())) for f in folders}
    # Of one that the project lies in, the project's own files are none.
    found = {folder for folder in found if not project.is_relative_to(real(folder))}
    _packages[base.absolute()] = _packages.get(base.absolute(), frozenset()) | found


def package_of(path: Path, base: Path) -> Path | None:
    """Return the folder of the package in which a path lies as it is written, links aside; None for no package."""
    written = Path(os.path.normpath(path.absolute()))
    known = _packages.get(base.absolute(), frozenset())
    # The innermost, and also by where it really is: what was passed once is asked for again.
    for folder in (written, *written.parents):
        if folder in known:
            return folder
    return next((folder for folder in known if written.is_relative_to(real(folder))), None)


def _places(value: str) -> Iterator[Path]:
    if not value or "://" in value or "\0" in value:
        return
    path = expanded(value).absolute()
    try:
        # Also what is not there yet: a path that is made of it must be said to be missing, not to be forbidden.
        yield real(path)
        if path.exists():
            return
        if glob.has_magic(value):
            yield from (real(Path(file)) for file in glob.glob(str(path), recursive=True))
        elif path.parent.is_dir():
            yield from (
                real(f) for f in path.parent.iterdir() if f.name.startswith(f"{path.name}.")
            )
    except (OSError, ValueError):
        # No place at all, such as a text that is too long for a name.
        return


def remember(place: Path) -> Path:
    """Write a place into the user's configuration, for all recipes from now on; returns the file. Raises OSError."""
    file = config_root() / TRUSTED
    known = _remembered()
    if real(place) not in known:
        write_private(file, "".join(f"{each}\n" for each in (*known, real(place))))
    return file


def _remembered() -> list[Path]:
    try:
        lines = (config_root() / TRUSTED).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [Path(line) for line in lines if line.startswith(os.sep)]


def project_of(base: Path) -> Path:
    """Return the folder of the nearest `pada.yaml` above a recipe, or else the recipe's own; resolved.

    It is not looked for in the user's home or above: one left there would make a project of everything.
    """
    start = real(base)
    home = real(expanded("~"))
    for folder in (start, *start.parents):
        if home.is_relative_to(folder):
            break
        if (folder / PROJECT).is_file():
            return folder
    return start


def roots(base: Path, path: Path) -> Iterator[Path]:
    """Yield the folders and files that may be read at a path for the recipe in a folder, resolved.

    What lies in a package is read as what the package leads to: in its own folder, or where the user said so. The
    commonest come first, and those for which a file must be read late: whoever finds one asks for no other.
    """
    if (package := package_of(path, base)) is not None:
        if real(package).is_relative_to(project_of(base)):
            yield real(package)
        yield from (*_allowed, *_remembered())
        return
    yield from _SHIPPED
    yield project_of(base)
    yield from (*_named.get(base.absolute(), ()), *_allowed)
    yield from map(real, (cache_root(), *hub_caches()))
    if (around := trusting_project(base)) is not None:
        yield around
    yield from _remembered()


def is_above_named(folder: Path, base: Path) -> bool:
    """Return whether the user named anything in a folder for the recipe in `base`."""
    named = (*_named.get(base.absolute(), ()), *_allowed, *_remembered())
    return any(real(folder) in place.parents for place in named)


def real(path: Path) -> Path:
    """Return an absolute path without links; of what is not there, the part that is there is resolved."""
    return Path(os.path.realpath(path))
