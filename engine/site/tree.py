"""A tree of files as a repository of recipes: what in it are recipes and what belongs to recipes, by name and content.

What git ignores, folders of programs (virtual environments, `node_modules`) and those whose name begins with a dot are
left out, such as `.git`, and `.pada` with its packages, which are checked where they come from. Links to folders are
not followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from engine.errors import EngineError
from engine.gate.roots import PROJECT, real
from engine.system.git import GitError, run_git

Kind = Literal[
    "recipe", "taxonomy", "operator", "method", "pack", "prompt", "schema", "project", "lock"
]
RECIPE = "recipe.yaml"
OPERATOR = "operator.yaml"
LOCK = "pada.lock"
SCHEMAS = "schemas"
PROMPTS = "prompts"
METHODS = "methods"
PLURALS: Mapping[Kind, str] = {
    "recipe": "recipes",
    "taxonomy": "taxonomies",
    "operator": "operators",
    "method": "methods",
    "pack": "packs",
    "prompt": "prompts",
    "schema": "schemas of replies",
    "project": PROJECT,
    "lock": LOCK,
}
"""What several of a kind are called."""
_BY_NAME: Mapping[str, Kind] = {
    RECIPE: "recipe",
    OPERATOR: "operator",
    "pack.yaml": "pack",
    PROJECT: "project",
    LOCK: "lock",
}
_FORMAT = re.compile(
    rf"^\ufeff?{{?[ \t]*[\"']?({'|'.join(get_args(Kind))})[\"']?[ \t]*:[ \t]*[\"']?\d", re.MULTILINE
)
"""The key of a format's version, at the beginning of a line."""
_EXTENDS = re.compile(r"^extends[ \t]*:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)
_ROLE = re.compile(r"^\[\[\w+\]\][ \t]*\r?$|\A\s*\{#", re.MULTILINE)
_LOOKED_AT = 100_000
"""Bytes of a file in which it is looked for what it is."""
_SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})
_ENVIRONMENT = "pyvenv.cfg"


class TreeFile(NamedTuple):
    """A file and what it is."""

    path: Path
    kind: Kind


class Tree(NamedTuple):
    """What lies in a folder and below it."""

    root: Path
    """Resolved."""
    files: tuple[TreeFile, ...]
    """By path."""
    ignored: tuple[Path, ...]
    """Files of YAML, and Markdown among prompts, that are nothing of recipes."""


def is_tree(folder: Path) -> bool:
    """Return whether a folder's name stands for all that is in it, and not for the one recipe that it may have."""
    return folder.is_dir() and ((folder / PROJECT).is_file() or not (folder / RECIPE).is_file())


def read_tree(folder: Path) -> Tree:
    """Return the files of a tree; raises EngineError where it is no folder."""
    root = real(folder)
    if not root.is_dir():
        raise EngineError(f"{folder} is not a folder", "name the folder of a repository of recipes")
    files: list[TreeFile] = []
    ignored: list[Path] = []
    for path in _walked(root):
        kind = kind_of(path, root)
        if kind is not None:
            files.append(TreeFile(path, kind))
        elif path.suffix in (".yaml", ".yml", ".md"):
            ignored.append(path)
    return Tree(root, tuple(files), tuple(ignored))


def _walked(root: Path) -> Iterator[Path]:
    """Yield the files that may be something, in the order of their names."""
    ignored = ignored_by_git(root)
    for parent, folders, names in os.walk(root):
        here = Path(parent)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _SKIPPED
            and here / name not in ignored
            and not (here / name / _ENVIRONMENT).is_file()
        )
        for name in sorted(names):
            path = here / name
            may_be = path.suffix in (".yaml", ".yml", ".json") or name in _BY_NAME
            in_prompts = path.suffix == ".md" and PROMPTS in _folders(path, root)
            if (may_be or in_prompts) and path not in ignored and path.is_file():
                yield path


def ignored_by_git(root: Path) -> frozenset[Path]:
    """Return the files and folders below one that git ignores; none where it is in no repository, or ignored itself."""
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        return frozenset()
    listing = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"]
    try:
        names = run_git(listing, root).split("\0")
    except GitError:
        # No git here, or it refuses: then more is checked than need be.
        return frozenset()
    return frozenset(root / name for name in names if name.strip("./"))


def _folders(path: Path, root: Path) -> tuple[str, ...]:
    """Return the names of the folders in which a file lies, the tree's own first."""
    return (root.name, *path.relative_to(root).parent.parts)


def kind_of(path: Path, root: Path) -> Kind | None:
    """Return what a file is; None for what is nothing of recipes, and for what belongs to an operator's folder."""
    if path.name in _BY_NAME:
        # A method may be called `pada`, as the engine's own is.
        is_method = path.name == PROJECT and _told(path, root) == "method"
        return "method" if is_method else _BY_NAME[path.name]
    if (path.parent / OPERATOR).is_file():
        return None
    if path.suffix in (".yaml", ".yml"):
        return _told(path, root) or ("method" if path.parent.name == METHODS else None)
    folders = _folders(path, root)
    if path.suffix == ".md" and path.stem.casefold() != "readme" and PROMPTS in folders:
        return "prompt" if _ROLE.search(_beginning(path, root)) else None
    if path.name.endswith(".schema.json") and SCHEMAS in folders:
        return "schema"
    return None


def extended(tree: Tree) -> frozenset[Path]:
    """Return the recipes of a tree that others in it extend."""
    found: set[Path] = set()
    projects = [file.path.parent for file in tree.files if file.kind == "project"]
    for file in tree.files:
        named = _EXTENDS.search(_beginning(file.path, tree.root)) if file.kind == "recipe" else None
        if named:
            # A path beside the recipe, or one in a package that is of this tree.
            inside = named[1].partition("/")[2]
            places = [file.path.parent / named[1], *(folder / inside for folder in projects)]
            found.update(Path(os.path.normpath(place)) for place in places)
    return frozenset(file.path for file in tree.files if file.path in found)


def _told(path: Path, root: Path) -> Kind | None:
    """Return what a file of YAML says that it is."""
    found = _FORMAT.search(_beginning(path, root))
    return next((kind for kind in PLURALS if found and kind == found[1]), None)


def _beginning(path: Path, root: Path) -> str:
    if not real(path).is_relative_to(root):
        # A link out of the tree: nothing is opened that came in by one.
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_LOOKED_AT).decode("utf-8", "replace")
    except OSError:
        # Whether it can be read is told where it is checked.
        return ""
