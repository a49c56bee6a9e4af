"""A shipped or packaged recipe as one's own: copied into a folder with all that it needs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from engine.authoring.start import placing
from engine.authoring.start.yaml_text import inline
from engine.errors import EngineError, Location
from engine.gate.roots import PROJECT
from engine.spec.loader import find_recipe
from engine.spec.named_files import passed_file, read_document
from engine.spec.package_data import shipped
from engine.spec.repository import packaged
from engine.spec.yaml import decode, read_bytes

_BESIDE = ("data", "methods", "operators", "packs", "prompts", "schemas", "taxonomies")
"""Folders beside a recipe that are its own."""
_EDITOR = re.compile(r"# yaml-language-server: \$schema=\.\.?/\S*\r?\n")
_MOST = 10_000
"""Files of one recipe."""


class Copied(NamedTuple):
    """What was written."""

    recipe: Path
    files: int


def copy_recipe(named: str, folder: Path | None, name: str | None) -> Copied:
    """Copy a recipe into a folder, beside a `pada.yaml` where there is none above; all files or none.

    Args:
        named: A shipped recipe's name, `package/path`, or a recipe's own file or folder.
        folder: Where to; a folder of the recipe's name, here, when left out.
        name: What the copy is called; as before when left out.

    Raises:
        EngineError: there is no such recipe, it leads to what it may not read, or a file is there already; nothing is
            written then.
    """
    within = packaged(named, Path.cwd()) if "/" in named else None
    ours = shipped("recipes") / named / placing.RECIPE
    is_shipped = "/" not in named and not named.startswith(".") and ours.is_file()
    source = ours if is_shipped else find_recipe(within if within is not None else named)
    base = source.absolute().parent
    text = decode(read_bytes(passed_file(source, base, "recipe")), source)
    document = read_document(source, "recipe")
    own = str(document.data.get("name", "")) if isinstance(document.data, dict) else ""
    called = placing.recipe_name(name) if name else own
    target = folder if folder is not None else Path(called or base.name)
    files = dict(_beside(source, base))
    for value in dict.fromkeys(_outside(document.data)):
        found = base / value
        if found.exists():
            inner = "/".join(part for part in PurePosixPath(value).parts if part != "..")
            files |= _tree(found, Path(inner), base)
            text = re.sub(rf"(?<![\w./]){re.escape(value)}(?![\w/])", inner, text)
    text = _EDITOR.sub("", text, count=1)
    if name:
        text = re.sub(r"(?m)^name:.*$", lambda _: f"name: {inline(called)}", text, count=1)
    recipe = target / placing.RECIPE
    written = {recipe: text}
    if (project := placing.project_text(target, called)) is not None:
        written[target / PROJECT] = project
    copies = {target / place: file for place, file in files.items()}
    placing.refuse_existing({**written, **dict.fromkeys(copies, "")})
    with placing.made(target):
        _copy(copies, target)
        try:
            placing.write_all(written)
        except BaseException:
            _remove(copies, target)
            raise
    return Copied(recipe, len(written) + len(copies))


def _beside(source: Path, base: Path) -> Iterator[tuple[Path, Path]]:
    """Yield place in the copy and file of all that belongs to a recipe, but for the recipe itself."""
    whole = source.name == placing.RECIPE and not (base / PROJECT).exists()
    names = sorted(each.name for each in base.iterdir()) if whole else _BESIDE
    for name in names:
        if (
            not name.startswith((".", "__"))
            and name not in (source.name, PROJECT)
            and (base / name).exists()
        ):
            yield from _tree(base / name, Path(name), base).items()


def _tree(file: Path, place: Path, base: Path) -> Mapping[Path, Path]:
    """Return the files at a place: itself, or what is in a folder; raises RecipeError for what may not be read."""
    passed = passed_file(file, base, "recipe")
    if not passed.is_dir():
        return {place: passed}
    found: dict[Path, Path] = {}
    for each in sorted(passed.iterdir()):
        if not each.name.startswith((".", "__")):
            found |= _tree(each, place / each.name, base)
        if len(found) > _MOST:
            raise EngineError(
                f"{Location.at(file).file} has more than {_MOST:,} files",
                "copy what you need of it by hand",
            )
    return found


def _outside(value: Any) -> Iterator[str]:
    """Yield the texts of a recipe that lead out of its folder."""
    if isinstance(value, str):
        if value.startswith("../"):
            yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _outside(child)


def _copy(copies: Mapping[Path, Path], target: Path) -> None:
    """Copy files to places where nothing is, all or none: where the disk is full, no half of one stays."""
    begun: list[Path] = []
    try:
        for place, file in copies.items():
            begun.append(place)
            with placing.writing(place.parent):
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
    except BaseException:
        _remove(begun, target)
        raise


def _remove(copies: Collection[Path], target: Path) -> None:
    """Remove copies, and the folders below the target that have nothing but them."""
    for place in copies:
        place.unlink(missing_ok=True)
    for place in sorted({place.parent for place in copies}, key=lambda p: -len(p.parts)):
        with suppress(OSError):
            while place != target and place.parts:
                os.rmdir(place)
                place = place.parent
