"""Where a new recipe is made before it is written: a folder of the state folder that looks like the project.

The file lies in it at the place that it would have in the project, the recipe is checked in it at its own, and both are
put into the project together at the end. So nothing is in the project before everything is.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.authoring.start.looking import Looked
from engine.errors import EngineError, Location, reason_of
from engine.gate.roots import PROJECT, real
from engine.studio.settings import Settings
from engine.studio.uploads import workroom

_KEPT = 4
"""Rooms at a time; the one that was left alone for longest makes place."""
_STALE = 24 * 3600.0
"""Seconds after which what another studio left is removed."""
_PREFIX = "new-"


@dataclass(slots=True)
class Room:
    """One file on its way to a recipe."""

    key: str
    folder: Path
    place: str
    """Of the file: in the project, and in here."""
    is_sent: bool
    """Whether the file was sent; else it lies in the project."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    used: float = 0.0
    looked: tuple[object, Looked] | None = None
    """What was found in the file, and under which settings."""
    checked: tuple[object, object] | None = None
    """The recipe that was made, and of which answers."""

    @property
    def file(self) -> Path:
        """Where the file lies now."""
        return self.folder / self.place

    def plain(self, text: str) -> str:
        """Return a text in which places are those of the project."""
        for prefix in (f"{self.folder}/", f"{Location.at(self.folder).file}/"):
            text = text.replace(prefix, "")
        return text

    def move(self, place: str) -> None:
        """Have the file at another place."""
        if place == self.place:
            return
        target = self.folder / place
        with _written(self.folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self.file, target)
        self.place, self.looked, self.checked = place, None, None


_rooms: dict[tuple[Path, str], Room] = {}
_guard = threading.Lock()


@contextmanager
def _written(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineError(
            f"{folder} cannot be written: {reason_of(error)}",
            "check its permissions and the free space",
        ) from error


def opened(settings: Settings, place: str, sent: Path | None) -> Room:
    """Return a new room for a file: the one that was sent, which is moved here, else the project's own at its place."""
    state = real(settings.state)
    above = workroom(state)
    _tidy(state, above)
    room = Room(secrets.token_hex(8), Path(), place, sent is not None, used=time.monotonic())
    room.folder = above / f"{_PREFIX}{room.key}"
    with _written(above):
        room.file.parent.mkdir(mode=0o700, parents=True)
        (room.folder / PROJECT).write_text("project: 1\nname: new\nversion: 0.1.0\n", "utf-8")
        if sent is not None:
            os.rename(sent, room.file)
        else:
            _same(real(settings.folder / place), room.file)
    with _guard:
        _rooms[state, room.key] = room
    return room


def _same(file: Path, place: Path) -> None:
    """Have a file of the project in a room as well: the same one where that can be, else a copy."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def room(settings: Settings, key: str) -> Room:
    """Return a room that is there; raises EngineError for one that is gone."""
    with _guard:
        found = _rooms.get((real(settings.state), key))
    if found is None or not found.file.is_file():
        raise EngineError(
            "the file is not here any more: the studio was started anew, or other files came since",
            "choose the file once more",
        )
    found.used = time.monotonic()
    return found


def drop(settings: Settings, key: str) -> None:
    """Remove a room with what is in it."""
    with _guard:
        found = _rooms.pop((real(settings.state), key), None)
    if found is not None:
        shutil.rmtree(found.folder, ignore_errors=True)


def _tidy(state: Path, above: Path) -> None:
    """Remove rooms of which there are too many, and what a studio that was killed left."""
    with _guard:
        ours = sorted((r.used, key) for (at, key), r in _rooms.items() if at == state)
        surplus = [_rooms.pop((state, key)) for _, key in ours[: max(0, len(ours) - _KEPT + 1)]]
        known = {each.folder for (at, _), each in _rooms.items() if at == state}
    for each in surplus:
        shutil.rmtree(each.folder, ignore_errors=True)
    for entry in _left(above):
        with suppress(OSError):
            if entry not in known and time.time() - entry.lstat().st_mtime > _STALE:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _left(above: Path) -> Iterable[Path]:
    with suppress(OSError):
        return [e for e in above.iterdir() if e.name.startswith((_PREFIX, "upload-"))]
    return []
