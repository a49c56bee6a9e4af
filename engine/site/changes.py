"""What changed in a tree since a revision of git, and what depends on it.

A recipe depends on the files that its texts lead to, on what stands beside it for it alone (prompts, operators, …), and
on the project file and the lock above it. In doubt a file counts as changed: it is checked once more for nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.errors import EngineError, RecipeError
from engine.gate.roots import PROJECT, real
from engine.site.tree import LOCK, METHODS, OPERATOR, PROMPTS, SCHEMAS, Tree, TreeFile
from engine.spec.named_files import read_document
from engine.system.git import GitError, run_git

_BESIDE = (METHODS, PROMPTS, SCHEMAS, "operators")
"""Folders beside a recipe that are its own."""
_PARTS = re.compile(r"[\s'\"(),\[\]{}]+")
_OPEN = re.compile(r"[*?\[$]")
"""Where a path is not the same for all: patterns and vars."""


def changed_files(root: Path, revision: str) -> frozenset[Path]:
    """Return the files that differ from a revision, with those that are new and those that are gone.

    Raises:
        EngineError: there is no such revision, or git cannot say.
    """
    try:
        top = real(Path(run_git(["rev-parse", "--show-toplevel"], root).strip()))
    except GitError as error:
        raise EngineError(
            f"--changed needs a git repository, and {root} is in none: {error.message}",
            "leave --changed out",
        ) from None
    wanted = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"]
    try:
        commit = run_git(wanted, root).strip()
    except GitError:
        raise EngineError(
            f"--changed {revision}: there is no such revision in {top}",
            "name a branch, a tag or a commit; in a shallow clone it may be missing: `git fetch`",
        ) from None
    differing = run_git(
        ["diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", commit, "--"], top
    )
    new = run_git(["ls-files", "--others", "--exclude-standard", "-z"], top)
    return frozenset(top / name for name in f"{differing}{new}".split("\0") if name)


def affected(tree: Tree, changed: frozenset[Path]) -> frozenset[Path]:
    """Return the files of a tree that changed, or depend on what did."""
    found = set(changed)
    waiting = [(file, list(_leads_to(file, tree))) for file in tree.files]
    while True:
        reached = [
            file for file, places in waiting if file.path not in found and _reach(places, found)
        ]
        if not reached:
            return frozenset(file.path for file in tree.files if file.path in found)
        found |= {file.path for file in reached}


def _reach(places: list[str], found: set[Path]) -> bool:
    return any(str(one).startswith(place) for place in places for one in found)


def _leads_to(file: TreeFile, tree: Tree) -> Iterator[str]:
    """Yield how the paths begin of all that a file depends on."""
    folder = file.path.parent
    if file.path.name == OPERATOR:
        yield f"{folder}{os.sep}"
    if file.kind != "recipe":
        return
    yield from (f"{folder / name}{os.sep}" for name in _BESIDE)
    for above in (folder, *folder.parents):
        yield from (str(above / name) for name in (PROJECT, LOCK))
    try:
        texts = list(_texts(read_document(file.path, "recipe").data))
    except RecipeError:
        yield str(tree.root)
        return
    packages = {
        one.path.parent.name: one.path.parent for one in tree.files if one.kind == "project"
    }
    for text in texts:
        name, _, rest = text.partition("/")
        if rest and name in packages:
            yield os.path.normpath(packages[name] / rest)
        yield os.path.normpath(folder / text)


def _texts(value: Any) -> Iterator[str]:
    """Yield what may be a path in the values of a document, up to where it is open."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    if isinstance(value, str):
        starts = (_OPEN.split(part)[0] for part in _PARTS.split(value[:10_000]))
        yield from (start for start in starts if len(start) > 2)
