"""The gate itself: a path is resolved once, held against the roots, and handed back resolved, to be opened as it is."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.errors import EngineError, Location, boundary
from engine.gate.roots import package_of, project_of, real, roots

Refuse = Callable[[str, str], EngineError]
"""Makes the error to raise of what is wrong and what to do."""


def passed(path: Path, base: Path | None, refuse: Refuse) -> Path:
    """Return a path resolved, if the recipe in `base` may read what is there; what is not there passes, too.

    Args:
        path: What the recipe leads to.
        base: The recipe's folder; None for what the user named.
        refuse: Makes the error that is raised where it may not.
    """
    found = _resolved(path, refuse)
    if base is not None:
        _check(path, found, base, roots(base, path), refuse)
    return found


def passed_folder(folder: Path, base: Path | None, refuse: Refuse) -> Path:
    """Return a folder resolved, if the recipe in `base` may read it and whatever the links in it lead to.

    For folders that are handed to a library, which opens what it likes in them.
    """
    found = _resolved(folder, refuse)
    if base is None:
        return found
    allowed = list(roots(base, folder))
    _check(folder, found, base, allowed, refuse)
    for parent, folders, files in os.walk(found):
        for name in (*folders, *files):
            inner = Path(parent, name)
            if not inner.is_dir() or inner.is_symlink():
                _check(inner, real(inner), base, allowed, refuse)
    return found


def _resolved(path: Path, refuse: Refuse) -> Path:
    """Return a path resolved; what is no path at all, such as one with a zero byte, is refused."""
    hint = "write the path of a file or a folder"
    with boundary(lambda reason: refuse(f"{str(path)[:200]!r} is no path: {reason}", hint)):
        return real(path)


def _check(path: Path, found: Path, base: Path, allowed: Iterable[Path], refuse: Refuse) -> None:
    if not any(found == root or root in found.parents for root in allowed):
        raise refuse(*_outside(path, found, base))
    try:
        mode = found.stat().st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        message = f"{Location.at(path).file} is neither a file nor a folder"
        raise refuse(message, "a device or a pipe is not read for a recipe: name a file")


def _outside(path: Path, found: Path, base: Path) -> tuple[str, str]:
    lexical = Path(os.path.normpath(path.absolute()))
    shown = Location.at(lexical).file
    link = "" if lexical == found else f" (a link to {found})"
    project, package = project_of(base), package_of(path, base)
    if package is None:
        message = f"{shown}{link} lies outside of what this recipe may read, which is {project}"
    elif found.is_relative_to(real(package)):
        found = real(package)
        message = f"{shown} is of a package outside of the project {project}, in {found}"
    else:
        message = f"{shown}{link} lies outside of its package, which is {real(package)}"
    place = shlex.quote(str(found))
    return message, (
        f"if you want it to be read: `pada --allow {place} …`, or for good `pada trust {place}`"
    )
