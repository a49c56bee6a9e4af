"""Where files of a page go: names that somebody typed or that a file came with, held inside the project."""

from __future__ import annotations

import os
import re
import unicodedata
from itertools import count
from pathlib import Path, PurePosixPath

from engine.authoring.start.placing import RECIPE, recipe_name
from engine.data.sources.readers import READERS, ending
from engine.errors import EngineError
from engine.gate.roots import real
from engine.studio.settings import Settings

DATA = "data"
RECIPES = "recipes"
_MOST = 2_000
"""Entries of the project in which files are looked for."""
_LISTED = 200
_LONGEST = 200
"""Bytes of a name: file systems take 255, and a copy gets a number."""
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows keeps for itself."""


def endings() -> tuple[str, ...]:
    """Return the endings of files that can be read."""
    return tuple(READERS)


def free_data_place(settings: Settings, name: str) -> str:
    """Return where a file would lie in the project, as nothing does yet.

    Raises:
        EngineError: files of such a name cannot be read.
    """
    called = _plain(name)
    if ending(Path(called)) not in READERS:
        raise EngineError(
            f"'{name[:200]}' cannot be read: its name ends in none of {', '.join(READERS)}",
            "save the table as CSV or Excel (.xlsx), with a row for each example",
        )
    stem, dot, rest = called.partition(".")
    names = (f"{stem}-{number}{dot}{rest}" for number in count(2))
    while os.path.lexists(settings.folder / DATA / called):
        called = next(names)
    return f"{DATA}/{called}"


def free_recipe_folder(settings: Settings, place: str) -> str:
    """Return a folder for the recipe of some data, in which there is none yet."""
    name = recipe_name(PurePosixPath(place).name.partition(".")[0])
    names = (f"{name}-{number}" for number in count(2))
    found = name
    while os.path.lexists(settings.folder / RECIPES / found):
        found = next(names)
    return f"{RECIPES}/{found}"


def _plain(name: str) -> str:
    """Return the name of a file as every system takes it."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C" or c == "\u200d")
    shown = re.sub(r'[<>:"|?*]', "-", shown).strip(" .")
    if _DEVICES.fullmatch(shown):
        shown = f"data-{shown}"
    _, dot, rest = shown.partition(".")
    if len(shown.encode()) > _LONGEST:
        # What a name ends in says how the file is read.
        end = f".{rest}" if dot and len(rest.encode()) < 40 else Path(shown).suffix[:40]
        kept = shown.encode()[: _LONGEST - len(end.encode())].decode("utf-8", "ignore")
        return kept.rstrip(" .") + end
    return shown


def inside(settings: Settings, typed: str) -> str:
    """Return a place in the project as somebody typed it, with `/` between its parts; raises EngineError."""
    parts = typed.strip().strip("/").split("/")
    whole = "/".join(parts)
    if not typed.strip() or typed.strip().startswith("/") or "\\" in typed or ".." in parts:
        raise EngineError(
            f"'{typed[:200]}' is no place in the project",
            "write it from the project's folder on, such as data/tickets.csv",
        )
    for part in parts:
        if not part or part.startswith(".") or not part.isprintable() or _DEVICES.fullmatch(part):
            raise EngineError(
                f"'{part[:200]}' is no name for a file or folder here",
                "take letters and digits; no name begins with a full stop, and none is kept by a system (con, nul)",
            )
        if len(part.encode("utf-8", "replace")) > 240:
            raise EngineError(f"'{part[:40]}…' is too long for a name", "take a shorter one")
    if len(whole) > 1000:
        raise EngineError(f"'{whole[:40]}…' is too long for a place", "take a shorter one")
    root = real(settings.folder)
    if not real(settings.folder / whole).is_relative_to(root):
        raise EngineError(
            f"{whole} leads out of the project by a link",
            "the studio writes only what is in its folder: name another place",
        )
    return whole


def project_file(settings: Settings, typed: str) -> str:
    """Return a file of data that lies in the project; raises EngineError."""
    place = inside(settings, typed)
    if not (settings.folder / place).is_file():
        raise EngineError(
            f"there is no file {place} in the project",
            "write it from the project's folder on, such as data/tickets.csv; or send the file from here",
        )
    return place


def data_files(settings: Settings) -> list[str]:
    """Return files in the project that may be data: some, where there are many."""
    found: list[str] = []
    seen = 0
    for folder, folders, files in os.walk(settings.folder):
        folders[:] = sorted(
            f for f in folders if not f.startswith((".", "__")) and f != "node_modules"
        )
        seen += len(files) + len(folders)
        for name in sorted(files):
            file = Path(folder) / name
            if not name.startswith(".") and ending(file) in READERS and name != RECIPE:
                found.append(file.relative_to(settings.folder).as_posix())
        if seen > _MOST or len(found) >= _LISTED:
            break
    return found[:_LISTED]
