"""`pada fmt`: a file's keys in the order of the documentation, and one way of writing; what it says stays."""

from __future__ import annotations

import json
from pathlib import Path

from engine.authoring.formats import FORMATS, format_of, refuse_version
from engine.authoring.tree import Branch, Tree, read_tree
from engine.authoring.writing import written
from engine.errors import EngineError, RecipeError
from engine.spec.extending.merging import ADDS
from engine.spec.reference.keys import order
from engine.spec.yaml import Document


def formatted(text: str, path: Path) -> str:
    r"""Return a file's text with its keys in order, comments where they belong, in one way of writing.

    Args:
        text: What stands in the file, with `\\n` at the ends of lines.
        path: The file, for messages.

    Raises:
        RecipeError: the engine does not read it.
        EngineError: it would say something else, or lose a comment.
    """
    tree = read_tree(text, path)
    kind, version = format_of(tree.document)
    if version != FORMATS[kind]:
        refuse_version(kind, version, tree.document)
    _sort(kind, tree.root, ())
    result = written(tree)
    if not _says_the_same(tree, result, path):
        raise EngineError(
            f"{path}: this file cannot be formatted without changing what it says; it stays as it is",
            "write texts of several lines as a block (`key: |`), and comments on lines of their own",
        )
    return result


def _says_the_same(tree: Tree, result: str, path: Path) -> bool:
    """Return whether a text has the data of a tree, as the engine reads it, and its comments."""
    try:
        after = read_tree(result, path)
    except RecipeError:
        return False
    return _meaning(tree.document) == _meaning(after.document) and tree.comments == after.comments


def _meaning(document: Document) -> str:
    # As JSON, which tells 1 from 1.0 and from true, as Python's comparison does not.
    return json.dumps(document.data, sort_keys=True)


def _sort(kind: str, branch: Branch, path: tuple[str, ...]) -> None:
    """Put the keys of a mapping, and of those below it, into the order of the schema; own names stay as they are."""
    if not branch.is_list and path[-1:] != ("params",):
        # Which parameters there are depends on whose they are: they stay in the author's order.
        places = order(*_place(kind, path))
        # What kind of file it is comes first, whatever its schema begins with.
        places = places if path else {**places, kind: -1}
        # `+operators` stands where `operators` would.
        branch.entries.sort(
            key=lambda entry: places.get(entry.name.removeprefix(ADDS), len(places))
        )
    for entry in branch.entries:
        if isinstance(entry.value, Branch):
            name = entry.name.removeprefix(ADDS)
            _sort(kind, entry.value, (*path, name) if entry.key else path)


def _place(kind: str, path: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return in which schema a mapping is: what a method decides of a recipe is in that of recipes."""
    if kind == "method" and path[:1] == ("overrides",) and len(path) > 1:
        return "recipe", path[1:]
    return kind, path
