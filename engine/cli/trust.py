"""`pada --allow` and `pada trust`: what recipes may read, where keys may go, which state folders are the user's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine import gate
from engine.cli.terminal.streams import echo
from engine.errors import EngineError
from engine.servers import parse_key_use
from engine.spec.loader import find_recipe
from engine.spec.repository import trustable
from engine.system.places import expanded


def allow_places(places: Sequence[Path]) -> None:
    """Let recipes read these places for as long as the command lasts; raises EngineError for one that is not there."""
    for place in places:
        _require(place)
    gate.allow(*places)


def trust_command(path: Path | None, state: Path | None, keys: Sequence[str]) -> None:
    """Write a place, a state folder or keys into the user's configuration, and say so; raises EngineError."""
    if (path is None) == (state is None) or (keys and path is None):
        raise EngineError(
            "trust takes a path that recipes may read, a state folder, or keys with a recipe: one of them",
            "pada trust PATH, or pada trust --state FOLDER, or pada trust --key NAME=ADDRESS RECIPE",
        )
    if keys and path is not None:
        _trust_keys(str(path), keys)
        return
    if state is not None:
        echo(f"{gate.trust_state(state)} is yours")
        return
    if path is not None:
        if not expanded(path).exists() and _trust_package(str(path)):
            return
        _require(path)
        with _writing():
            file = gate.remember(path)
        echo(
            f"every recipe may read {expanded(path).resolve()}; remove its line in {file} to take that back"
        )


def _trust_package(name: str) -> bool:
    """Trust an installed package of the project here by its content; returns False where none is called so."""
    package = trustable(name, Path.cwd())
    if package is None:
        return False
    with _writing():
        file = gate.remember_package(f"{package.name} {package.revision}", package.content)
    echo(
        f"{package.name} {package.revision} counts as a part of the projects that install it, as long as none of its "
        f"files changes ({package.content[:19]}…): its recipes may read what is the project's, and send keys where the "
        f"project's may; remove its line in {file} to take that back"
    )
    return True


def _trust_keys(recipe: str, keys: Sequence[str]) -> None:
    base = find_recipe(recipe).absolute().parent
    uses = [use for text in keys if (use := parse_key_use(text)) is not None]
    with _writing():
        file = gate.remember_keys(uses, base)
    for use in uses:
        echo(
            f"the key {use.variable} may go to {use.address}, for recipes in {gate.project_of(base)}"
        )
    echo(
        f"remove its line in {file} to take that back" if uses else "this machine needs no consent"
    )


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "set PADA_CONFIG to a folder that can be written"
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise EngineError(message, hint) from error


def _require(place: Path) -> None:
    if not expanded(place).exists():
        raise EngineError(f"there is no file or folder {place}", "check the path")
