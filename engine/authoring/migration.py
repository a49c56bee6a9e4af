"""`pada migrate`: files of older formats rewritten into the one that the engine reads, comments kept.

A step leads from one format version to the next and is made of small changes: `rename`, `move`, `change`, `split`,
`remove`. They work on the file's tree, so that what people wrote beside a key goes with it. There is only format 1 so
far, and no step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.authoring.formats import FORMATS, format_of, refuse_version
from engine.authoring.tree import Branch, Entry, Text, Tree, read_tree
from engine.authoring.writing import scalar, written
from engine.errors import EngineError, Problem, RecipeError
from engine.spec.yaml import parse

Change = Callable[[Tree], None]
"""Changes a file's tree in place."""


@dataclass(frozen=True)
class Step:
    """What leads from one format version of a kind of file to the next."""

    kind: str
    since: int
    """The format version that it takes; it makes the next one."""
    changes: tuple[Change, ...]


STEPS: tuple[Step, ...] = ()
"""All steps there are."""


def migrated(
    text: str,
    path: Path,
    steps: Sequence[Step] = STEPS,
    formats: Mapping[str, int] = FORMATS,
) -> str:
    r"""Return a file's text in the newest format; the same text where it has that already.

    Args:
        text: What stands in the file, with `\\n` at the ends of lines.
        path: The file, for messages.
        steps: What leads from format to format.
        formats: Kind of file -> its newest format.

    Raises:
        RecipeError: it cannot be read, says no format version, or one that is newer than the engine.
        EngineError: no step leads from its version to the next.
    """
    document = parse(text, path)
    kind, version = format_of(document)
    if version == formats[kind]:
        return text
    if version > formats[kind]:
        refuse_version(kind, version, document)
    tree = read_tree(text, path)
    for since in range(version, formats[kind]):
        step = next((one for one in steps if (one.kind, one.since) == (kind, since)), None)
        if step is None:
            where = document.at((kind,))
            message = f"no step leads from format {since} of a {kind} to format {since + 1}"
            hint = f"write the {kind} anew in format {formats[kind]}: `pada explain` lists its keys"
            raise RecipeError([Problem(where, message, hint, code="format")])
        for change_it in step.changes:
            change_it(tree)
    said = tree.root.get(kind)
    assert said is not None
    said.value = scalar(formats[kind])
    result = written(tree)
    try:
        parse(result, path)
    except RecipeError as error:
        raise EngineError(
            f"{path}: what the steps make of this file cannot be read: {error.problems[0].message}"
        ) from error
    return result


# Changes that steps are made of. Keys are dotted paths; a list on the way stands for each of its items.


def rename(path: str, name: str) -> Change:
    """Return a change that gives a key another name; its place, value and comments stay."""

    def apply(tree: Tree) -> None:
        for _, entry in _at(tree, path):
            entry.key = Text([name], "", name)

    return apply


def move(path: str, to: str) -> Change:
    """Return a change that moves a key of the file to another place, with its comments.

    Mappings on the way there are made where they are missing. Nothing is moved over a key that is there already.
    """

    def apply(tree: Tree) -> None:
        for branch, entry in list(_at(tree, path)):
            *above, name = to.split(".")
            target = _branch(tree.root, above)
            if target.get(name) is None:
                branch.entries.remove(entry)
                entry.key = Text([name], "", name)
                target.entries.append(entry)

    return apply


def change(path: str, to: Callable[[str], str | float | bool | None]) -> Change:
    """Return a change that makes another value of a scalar: from its text to a text, a number, true, false or null."""

    def apply(tree: Tree) -> None:
        for _, entry in _at(tree, path):
            if isinstance(entry.value, Text):
                entry.value = scalar(to(entry.value.value))

    return apply


def split(path: str, into: Callable[[str], Mapping[str, str | float | bool | None]]) -> Change:
    """Return a change that replaces a key with a scalar by several beside it, made of its text.

    Comments above stay above the first, that beside it stays beside it.
    """

    def apply(tree: Tree) -> None:
        for branch, entry in list(_at(tree, path)):
            if not isinstance(entry.value, Text):
                continue
            made = [
                Entry(Text([name], "", name), scalar(value))
                for name, value in into(entry.value.value).items()
            ]
            at = branch.entries.index(entry)
            branch.entries[at : at + 1] = made
            if made:
                made[0].above, made[0].beside = entry.above, entry.beside

    return apply


def remove(path: str) -> Change:
    """Return a change that takes a key away; comments above it stay, above what comes next."""

    def apply(tree: Tree) -> None:
        for branch, entry in list(_at(tree, path)):
            at = branch.entries.index(entry)
            del branch.entries[at]
            kept = [*entry.above, *([entry.beside] if entry.beside else [])]
            if at < len(branch.entries):
                branch.entries[at].above[:0] = kept
            else:
                branch.below[:0] = kept

    return apply


def _at(tree: Tree, path: str) -> Iterator[tuple[Branch, Entry]]:
    """Yield the entries at a path, each with the mapping that has it."""
    branches = [tree.root]
    *above, name = path.split(".")
    for part in above:
        entries = [entry for branch in _mappings(branches) if (entry := branch.get(part))]
        branches = [entry.value for entry in entries if isinstance(entry.value, Branch)]
    for branch in _mappings(branches):
        if (entry := branch.get(name)) is not None:
            yield branch, entry


def _mappings(branches: Sequence[Branch]) -> Iterator[Branch]:
    for branch in branches:
        if branch.is_list:
            yield from _mappings([e.value for e in branch.entries if isinstance(e.value, Branch)])
        else:
            yield branch


def _branch(root: Branch, path: Sequence[str]) -> Branch:
    here = root
    for part in path:
        entry = here.get(part)
        if entry is None or not isinstance(entry.value, Branch):
            entry = Entry(Text([part], "", part), Branch(False, False, []))
            here.entries.append(entry)
        assert isinstance(entry.value, Branch)
        here = entry.value
    return here
