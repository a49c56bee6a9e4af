"""Which two recipes a command means, and what differs between them."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

from engine.errors import EngineError
from engine.versions.difference import Difference, difference
from engine.versions.sides import Given, Side, is_run, side, version
from engine.versions.stored import stored_run

_BOTH = "write two recipes, a recipe and a run (r0003), or a recipe and versions (v1.3..v1.4)"


def compare_recipes(first: str, second: str | None, given: Given) -> Difference:
    """Return what differs.

    Args:
        first: A recipe, or a run's id.
        second: Another; or versions of the first, as `v1.3..v1.4` or `v1.3..`, which compares with the files as they
            are now. When left out, `HEAD..`.
        given: What else the command says.

    Raises:
        EngineError: there is none such, or one cannot be read.
    """
    with ExitStack() as stack:
        before, after = _sides(first, "HEAD.." if second is None else second, given, stack)
        return difference(before, after)


def compare_versions(recipe: Path, before: str, after: str, given: Given) -> Difference:
    """Return what differs between any two states of one recipe.

    Args:
        recipe: Its file.
        before: A run's id, a version (tag, branch or commit), or nothing for the files as they are now.
        after: Another.
        given: As in `compare_recipes`.

    Raises:
        EngineError: there is none such, or it cannot be read.
    """
    runs = [name for name in (before, after) if is_run(name)]
    if given.limit is None and runs:
        given = replace(given, limit=stored_run(given.state, runs[0]).limit)
    with ExitStack() as stack:
        sides = [stack.enter_context(_state_of(recipe, name, given)) for name in (before, after)]
        return difference(*sides)


def _state_of(recipe: Path, name: str, given: Given) -> AbstractContextManager[Side]:
    if not name or is_run(name):
        return side(name or str(recipe), given)
    return version(str(recipe), name, given)


def _sides(first: str, second: str, given: Given, stack: ExitStack) -> tuple[Side, Side]:
    old, dots, new = second.partition("..")
    if dots and "/" not in second[:2] and not _is_path(second):
        if is_run(first):
            raise EngineError(f"{first} is a run: it has no versions", _BOTH)
        if not old or new.startswith("."):
            raise EngineError(
                f"{second}: these are no versions",
                "write v1.3..v1.4, or v1.3.. for the files as they are now",
            )
        before = stack.enter_context(version(first, old, given))
        after = (
            stack.enter_context(version(first, new, given))
            if new
            else stack.enter_context(side(first, given))
        )
        return before, after
    # The rows that a run took are those that a recipe is held against it with.
    if given.limit is None and (runs := [name for name in (first, second) if is_run(name)]):
        given = replace(given, limit=stored_run(given.state, runs[0]).limit)
    return stack.enter_context(side(first, given)), stack.enter_context(side(second, given))


def _is_path(name: str) -> bool:
    """Return whether a name with two dots is a path, such as ../other/recipe.yaml."""
    return name.startswith(("../", "./", "/")) or name == ".." or "/../" in name
