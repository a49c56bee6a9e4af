"""What a studio shows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.system.places import STATE


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a studio looks, and what may be done in it."""

    state: Path = STATE
    """The state folder, whose store is read."""
    folder: Path = Path()
    """The project: the folder with its recipes."""
    read_only: bool = False
    """Whether everything that would change something is refused."""
