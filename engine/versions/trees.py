"""Files of another time laid out in a folder of their own, where a recipe is read as it was then.

What is not kept there, such as data, is reached by links to where it is now.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from engine import gate
from engine.errors import EngineError, RecipeError
from engine.gate.roots import PROJECT
from engine.spec.yaml import parse
from engine.system.files import private
from engine.versions.stored import StoredFile, StoredRun

_DEPTH = ("1", "2", "3", "4", "tree")
"""Folders above, so that paths with `..` lead to places of the same folder."""


_PLACES = frozenset({"path", "database", "model", "tokenizer", "adapter", "replies"})
PACKAGES = "pada_packages"
"""Folder of a tree with the packages that a run used, of each the files that it used."""


def tree_of(run: StoredRun) -> dict[str, bytes]:
    """Return the files that a run was made of, by their paths in a folder of their own: it needs nothing else but data.

    The recipe is the resolved one. Packages lie beside it, and `pada.yaml` names them there: nothing is fetched.
    """
    packages = sorted({file.package for file in run.files if file.package})
    folders = [f"{PACKAGES}/{name}" for name in packages]
    tree: dict[str, bytes] = {}
    for file in run.files:
        if file.text is None or file.kind == "lock" or PurePosixPath(file.path).is_absolute():
            continue
        text = file.text
        if file.kind == "project":
            # What packages name of others, the resolved recipe names itself.
            text = _with_packages(text, [] if file.package else folders)
        tree[place_in(file)] = text.encode()
    tree[recipe_in(run)] = run.resolved.encode()
    return tree


def place_in(file: StoredFile) -> str:
    """Return where a file that does not lie outside of project and packages is in a tree."""
    return f"{PACKAGES}/{file.package}/{file.path}" if file.package else file.path


def recipe_in(run: StoredRun) -> str:
    """Return where a run's recipe is in its tree."""
    return "recipe.yaml" if PurePosixPath(run.file).is_absolute() else run.file


def _with_packages(text: str, folders: Sequence[str]) -> str:
    """Return a `pada.yaml` that names packages by their folders, in place of those that it names."""
    data = dict(parse(text, Path(PROJECT)).data)
    data.pop("packages", None)
    if folders:
        data["packages"] = [{"path": folder} for folder in folders]
    return json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n"


@contextmanager
def laid_out(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Give a private folder with files by their paths, which goes with the block."""
    with private(), tempfile.TemporaryDirectory(prefix="pada-versions-") as folder:
        root = Path(os.path.realpath(folder)).joinpath(*_DEPTH)
        root.mkdir(parents=True)
        for path, content in files.items():
            target = root / checked_path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield root


def checked_path(path: str) -> PurePosixPath:
    """Return a path that stays below the folder where it starts; raises EngineError for any other."""
    checked = PurePosixPath(path)
    odd = any(ord(character) < 32 or character == "\\" for character in path)
    if (
        checked.is_absolute()
        or not checked.parts
        or ".." in checked.parts
        or odd
        or len(path) > 1000
    ):
        raise EngineError(
            f"{path[:200]!r} is no path below a folder", "such a file is not written; nothing was"
        )
    return checked


def link_what_is_missing(
    data: Mapping[str, Any],
    tree: Path,
    base: Path,
    now: Path,
    packages: Mapping[str, Path] = MappingProxyType({}),
) -> None:
    """Link what a recipe names and a tree lacks (data, local models) to where it is now.

    Args:
        data: The recipe.
        tree: The tree, as `laid_out` gave it.
        base: The recipe's folder in it.
        now: That folder today. Its project may be read for the recipe of the tree as for the one that is there.
        packages: Name -> folder today of the packages of which the tree has what was used.
    """
    gate.allow(gate.project_of(now))
    top = tree.parents[len(_DEPTH) - 2]
    for name in places_in(data):
        if "://" in name or "\0" in name or PurePosixPath(name).is_absolute():
            continue
        there, today = base, now
        first, *parts = PurePosixPath(name).parts or (".",)
        if parts and first in packages:
            there, today = tree / PACKAGES / first, packages[first]
        else:
            parts = [first, *parts]
        for part in parts:
            if part == "..":
                there, today = there.parent, today.parent
            elif any(sign in part for sign in "*?["):
                with suppress(OSError, ValueError):
                    for found in today.glob("*" if part == "**" else part):
                        _link(there / found.name, found, top)
                break
            else:
                there, today = there / part, today / part
                if not there.is_dir() or there.is_symlink():
                    _link(there, today, top)
                    break


def _link(there: Path, target: Path, top: Path) -> None:
    if not there.is_relative_to(top) or there.exists() or there.is_symlink():
        return
    with suppress(OSError, ValueError):
        if target.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            there.symlink_to(target)


def places_in(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what names a file or a folder that no tree has: data and local models."""

    def look(value: Any, key: str) -> Iterator[str]:
        if isinstance(value, Mapping):
            for name, child in value.items():
                yield from look(child, str(name))
        elif isinstance(value, list):
            for child in value:
                yield from look(child, key)
        elif isinstance(value, str) and key in _PLACES:
            yield value
        elif isinstance(value, str) and key == "sql":
            # Names of files in a query stand between quotes.
            yield from value.split("'")[1::2]

    for part in ("data", "models", "failures", "benchmark"):
        yield from look(data.get(part), "")


def said_of(label: str, error: EngineError, tree: Path | None = None) -> EngineError:
    """Return an error with what it is about before it, and paths as they were before a tree was laid out."""
    lines = error.problems if isinstance(error, RecipeError) else [error.message]
    said = "\n".join(map(str, lines))
    if tree is not None:
        said = said.replace(f"{tree}/", "")
    hint = "" if isinstance(error, RecipeError) else error.hint
    return EngineError(f"{label} cannot be read: {said}", hint)
