"""`pada --allow` and `pada trust`: what the user lets recipes read, and which state folders are theirs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine import gate
from engine.errors import EngineError


def allow_places(places: Sequence[Path]) -> None:
    """Let recipes read these places for as long as the command lasts; raises EngineError for one that is not there."""
    for place in places:
        _require(place)
    gate.allow(*places)


def trust_command(path: Path | None, state: Path | None) -> None:
    """Write a place or a state folder into the user's configuration, and say so; raises EngineError."""
    if (path is None) == (state is None):
        raise EngineError(
            "trust takes a path that recipes may read, or a state folder: one of them",
            "pada trust PATH, or pada trust --state FOLDER",
        )
    if state is not None:
        print(f"{gate.trust_state(state)} is yours")
        return
    if path is not None:
        _require(path)
        try:
            file = gate.remember(path)
        except OSError as error:
            hint = "set PADA_CONFIG to a folder that can be written"
            raise EngineError(f"{error.filename}: {error.strerror}", hint) from error
        print(
            f"every recipe may read {path.expanduser().resolve()}; remove its line in {file} to take that back"
        )


def _require(place: Path) -> None:
    if not place.expanduser().exists():
        raise EngineError(f"there is no file or folder {place}", "check the path")
