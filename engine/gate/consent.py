"""Which keys may go where: a variable of the environment and a server's address, consented to for a project.

A recipe names both, and may come from anybody. What was consented to stands in the user's own configuration, or holds
for the process; a recipe that names another variable or another address needs another consent, whatever else it says.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.gate.packages import trusting_project
from engine.gate.roots import project_of
from engine.system.files import write_private
from engine.system.places import config_root

KEYS = "keys"
"""The file of the user's configuration with what was consented to: variable, address and project, a line each."""


class KeyUse(NamedTuple):
    """A key that goes to a server."""

    variable: str
    """Name of the environment variable that holds the key."""
    address: str
    """Of the server, in the one form that `engine.servers.key_use` writes."""

    @property
    def is_set(self) -> bool:
        """Whether there is a key at all."""
        return bool(os.environ.get(self.variable, "").strip())

    def __str__(self) -> str:
        return f"{self.variable}={self.address}"


_granted: set[tuple[KeyUse, Path]] = set()
"""What holds for this process, by project."""


def has_consent(use: KeyUse, base: Path | None) -> bool:
    """Return whether a key may be sent for the recipe in `base`; None: for one that this process let pass before."""
    if base is None:
        return any(use == known for known, _ in _granted)
    remembered = _remembered()
    return any(
        (use, project) in _granted or (use, project) in remembered
        for project in (project_of(base), trusting_project(base))
        if project is not None
    )


def grant_keys(uses: Iterable[KeyUse], base: Path) -> None:
    """Let keys be sent for the recipe in `base`, for as long as the process lasts."""
    project = project_of(base)
    _granted.update((use, project) for use in uses)


def remember_keys(uses: Iterable[KeyUse], base: Path) -> Path:
    """Let keys be sent for the recipe in `base` from now on; returns the file that says so. Raises OSError."""
    file, project = config_root() / KEYS, project_of(base)
    if len(str(project).splitlines()) > 1:
        raise OSError(f"{str(project)!r}: a folder with a line break in its name")
    known = dict.fromkeys([*_remembered(), *((use, project) for use in uses)])
    lines = (f"{use.variable} {use.address} {folder}\n" for use, folder in known)
    write_private(file, "".join(lines))
    return file


def refusal(uses: Sequence[KeyUse], recipe: Path) -> tuple[str, str]:
    """Return what is wrong where keys may not be sent for a recipe, and the command that consents."""
    what = " and ".join(f"the key {use.variable} to {use.address}" for use in uses)
    message = f"{recipe} sends {what}, and you have not consented to that"
    options = " ".join(f"--key {shlex.quote(str(use))}" for use in uses)
    listed = ", ".join(f'"{use}"' for use in uses)
    return message, (
        f"if they belong together: pada trust {options} {shlex.quote(str(recipe))}  "
        f"(for one run from Python: trust=[{listed}])"
    )


def _remembered() -> list[tuple[KeyUse, Path]]:
    try:
        lines = (config_root() / KEYS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    parts = (line.split(" ", 2) for line in lines)
    return [(KeyUse(p[0], p[1]), Path(p[2])) for p in parts if len(p) == 3 and p[2].startswith("/")]
