"""Which packages count as a part of the project that installed them: those whose content its user trusts.

A package is somebody else's, also where it lies inside of the project. Its own recipes read its own folder, and no key
goes anywhere for them by what was said for the project. `pada trust PACKAGE` makes it a part of the project, as long as
none of its files changes.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.fingerprint import content_digest
from engine.system.files import write_private
from engine.system.places import STATE, config_root

INSTALLED = STATE / "packages"
"""Where packages lie, as `NAME/COMMIT`, from the folder of `pada.yaml`."""
_TRUSTED = "packages"
"""The file of the user's configuration with the packages that they trust: hash of the content and name, a line each."""


def package_around(folder: Path) -> Path | None:
    """Return the folder of the installed package in which a folder lies; None elsewhere. Takes it as it is written."""
    for each in (folder, *folder.parents):
        if each.parent.parent.parts[-2:] == INSTALLED.parts:
            return each
    return None


def enclosing(base: Path) -> Path | None:
    """Return the folder of the project under whose `.pada/packages/NAME/COMMIT` a folder lies; None elsewhere."""
    package = package_around(base.resolve())
    return None if package is None else package.parents[3]


def trusting_project(base: Path) -> Path | None:
    """Return the project of which the package around a folder is a part, as its user said; None otherwise."""
    package = package_around(base.resolve())
    if package is None or not (known := _remembered()):
        return None
    return package.parents[3] if _digest(package) in known else None


def remember_package(name: str, content: str) -> Path:
    """Write a package into the user's configuration, by its content; returns the file. Raises OSError."""
    file = config_root() / _TRUSTED
    lines = {**_remembered(), content: name}
    write_private(file, "".join(f"{digest} {each}\n" for digest, each in lines.items()))
    return file


def is_trusted(content: str) -> bool:
    """Return whether a package of this content counts as a part of the projects that install it."""
    return content in _remembered()


def _remembered() -> dict[str, str]:
    try:
        lines = (config_root() / _TRUSTED).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    parts = (line.partition(" ") for line in lines)
    return {digest: name for digest, _, name in parts if digest.startswith("sha256:")}


@lru_cache(maxsize=64)
def _digest(package: Path) -> str:
    """Return the hash of a package's content; asked once in a process, as for each file that its recipes read."""
    try:
        return content_digest(package)
    except OSError:
        return ""
