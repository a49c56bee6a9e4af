"""Who sits where: the recipe that is reviewed, and a desk for each reviewer that lasts as long as somebody uses it.

A desk remembers the rows that it has shown, so a verdict is on the row as it was seen, whatever ran meanwhile. All of
them can be lost: the next question makes one anew from what the page says.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import EngineError
from engine.gate.roots import real
from engine.project import Project
from engine.review import Desk, Item, Queue, Ran, ran, reviewer_name
from engine.store import FILE, reader
from engine.studio.asked import Asked
from engine.studio.settings import Settings

MOST = 32
"""Sittings that are kept."""
MOST_ITEMS = 5_000
"""Rows of a sitting that are remembered."""


@dataclass
class Sitting:
    """A reviewer at a desk."""

    desk: Desk
    project: Project
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held by whoever uses the desk: a browser asks several things at once."""
    _shown: OrderedDict[tuple[str, str], Item] = field(default_factory=OrderedDict)

    def remember(self, items: Iterable[Item]) -> None:
        """Keep rows as they were shown."""
        for item in items:
            self._shown[item.key] = item
            self._shown.move_to_end(item.key)
        while len(self._shown) > MOST_ITEMS:
            self._shown.popitem(last=False)

    def item(self, subject: str, example: str, queue: Queue) -> Item:
        """Return a row as it was shown, or as it is now where that is not known any more; raises EngineError."""
        known = self._shown.get((subject, example))
        if known is None:
            found = self.desk.find([example], queue).get(example)
            known = found if found is not None and found.subject == subject else None
        if known is None:
            raise EngineError(
                f"there is no row '{example[:40]}' to review in run {self.desk.place.run}",
                "load the queue again: it has the rows of the latest run",
            )
        return known


_SITTINGS: OrderedDict[tuple[str, ...], Sitting] = OrderedDict()
_DOOR = threading.Lock()


def recipes(settings: Settings) -> Sequence[Ran]:
    """Return the recipes that were run, that of the last run first; raises EngineError where there is none."""
    if not (settings.state / FILE).exists():
        raise EngineError(
            "nothing has run yet, so there are no rows to review",
            "run a recipe; its generated rows wait here afterwards",
        )
    with reader(settings.state) as query:
        found = ran(query)
    if not found:
        raise EngineError("this store has no run yet", "`pada run RECIPE` first")
    return found


def chosen(settings: Settings, asked: Asked) -> Ran:
    """Return the recipe that a page asks for by its name; that of the last run where it says none."""
    found, name = recipes(settings), asked.text("recipe")
    known = next((one for one in found if name in ("", one.name)), None)
    if known is None:
        raise EngineError(f"no run of the recipe '{name[:200]}' is in this store", "choose another")
    return known


def begin(settings: Settings, asked: Asked, run: str | None = None) -> Sitting:
    """Sit down at a new desk over the recipe's latest run, or the one that is named; raises EngineError."""
    return _seated(settings, chosen(settings, asked), asked, run)


def resume(settings: Settings, asked: Asked) -> Sitting:
    """Return the desk at which a page's reviewer sits, whose rows are of the run that the page names."""
    name, run = asked.text("recipe"), asked.text("run")
    with _DOOR:
        known = _SITTINGS.get(_key(settings, name, asked, run))
    return known or _seated(settings, chosen(settings, asked), asked, run or None)


def _seated(settings: Settings, one: Ran, asked: Asked, run: str | None) -> Sitting:
    project = project_of(settings, one)
    desk = Desk(
        settings.state,
        project.loaded.recipe,
        reviewer_name(asked.text("reviewer") or None),
        resolves=asked.text("resolve") == "yes",
        run=run,
        looks=settings.read_only,
    )
    sitting = Sitting(desk, project)
    with _DOOR:
        # A page may leave the recipe out where it means that of the last run.
        for name in {one.name, asked.text("recipe")}:
            key = _key(settings, name, asked, desk.place.run)
            _SITTINGS[key] = sitting
            _SITTINGS.move_to_end(key)
        while len(_SITTINGS) > MOST:
            _SITTINGS.popitem(last=False)
    return sitting


def _key(settings: Settings, name: str, asked: Asked, run: str) -> tuple[str, ...]:
    state = str(settings.state.absolute())
    return state, name, run, asked.text("reviewer"), asked.text("resolve")


def project_of(settings: Settings, one: Ran) -> Project:
    """Open a recipe that was run, as it is now, with what its last run was given; raises EngineError."""
    for file in _places(settings, one):
        # One that is broken is said to be: another with that name may be another project's.
        project = _opened(file, settings, one)
        if project.loaded.recipe.name == one.name:
            return project
    raise EngineError(
        f"the recipe '{one.name}' is not at {one.path} any more",
        "put it back, or run it from where it is now; what was said of its rows is kept",
    )


def _opened(file: Path, settings: Settings, one: Ran) -> Project:
    try:
        return Project.open(file, settings.state, None, one.limit, one.settings)
    except EngineError as plain:
        # Some recipes cannot be read without the values that their run was given.
        with suppress(EngineError):
            return Project.open(file, settings.state, one.vars, one.limit, one.settings)
        raise plain from None


def _places(settings: Settings, one: Ran) -> Iterator[Path]:
    places = [settings.folder / one.file] if one.file else []
    places += [Path(one.folder) / one.file] if one.folder and one.file else []
    places += [settings.folder / one.path, Path(one.path)]
    for place in dict.fromkeys(places):
        with suppress(OSError, ValueError):
            if place.exists():
                yield place


def page_of(settings: Settings, project: Project) -> str:
    """Return a recipe's path from the studio's folder, by which its page is called; empty for one from elsewhere."""
    file, root = real(project.loaded.path), real(settings.folder)
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else ""
