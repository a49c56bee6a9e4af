"""Everything in a tree checked, whether or not a recipe uses it; each problem once, however many files it is met by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from engine.errors import EngineError, Location, Problem
from engine.site.parallel import for_each
from engine.site.tree import PLURALS, RECIPE, Kind, Tree, TreeFile, extended
from engine.spec.data_files import refuse_data

_LEFT_OPEN = frozenset({"missing", "no-value"})
"""What may be wrong with a recipe because it leaves something to those that extend it: keys, and values of vars."""


class Validation(NamedTuple):
    """What checking a tree found."""

    files: Sequence[TreeFile]
    problems: Sequence[Problem]
    """In the order of files and lines."""

    @property
    def errors(self) -> list[Problem]:
        """The problems that are no warnings."""
        return [problem for problem in self.problems if problem.level == "error"]

    @property
    def summary(self) -> str:
        """How many files of which kind were checked, and how many are wrong, in a line."""
        counts = Counter(file.kind for file in self.files)
        kinds = ", ".join(_named(kind, counts[kind]) for kind in PLURALS if counts[kind])
        warnings = len(self.problems) - len(self.errors)
        found = [
            *_found(self.errors, "error"),
            *([count_of(warnings, "warning")] if warnings else []),
        ]
        files = count_of(len(self.files), "file")
        return f"{files}{f': {kinds}' if kinds else ''}; {', '.join(found) or 'no problems'}"


def count_of(count: int, what: str) -> str:
    """Return how many there are of something, in words."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _named(kind: Kind, count: int) -> str:
    if kind in ("project", "lock"):
        return PLURALS[kind] if count == 1 else f"{count} {PLURALS[kind]}"
    return f"{count} {PLURALS[kind] if count > 1 else 'schema of replies' if kind == 'schema' else kind}"


def _found(problems: Collection[Problem], what: str) -> list[str]:
    files = {problem.where.file for problem in problems}
    return (
        [f"{count_of(len(problems), what)} in {count_of(len(files), 'file')}"] if problems else []
    )


def validate_tree(
    tree: Tree,
    only: Collection[Path] | None = None,
    *,
    rows: bool = True,
    jobs: int | None = None,
    allowed: Sequence[Path] = (),
) -> Validation:
    """Check the files of a tree.

    Args:
        tree: The tree.
        only: The files that are checked; all when left out.
        rows: False reads no data.
        jobs: Processes at most; as many as there are cores when left out.
        allowed: What the user let recipes read besides.

    Raises:
        EngineError: there is nothing in the tree that could be checked.
    """
    if not tree.files:
        refuse_data(tree.root)
        raise EngineError(
            f"there is nothing to check in {Location.at(tree.root).file}: no recipe, and nothing that belongs to one",
            "name a recipe, or the folder of a repository of recipes; what git ignores is left out",
        )
    files = [file for file in tree.files if only is None or file.path in only]
    # Reading the engine takes longer than any file but for recipes, which come first: they take the longest.
    order = sorted(files, key=lambda file: file.kind != "recipe")
    found = for_each(partial(_problems, rows=rows), order, _ended, jobs, allowed)
    bases = extended(tree)
    told = {
        (problem.where, problem.level, problem.message): problem
        for file, problems in zip(order, found, strict=True)
        for problem in of_its_own(file, problems, is_extended=file.path in bases)
    }
    return Validation(files, [told[key] for key in sorted(told)])


def of_its_own(
    file: TreeFile, problems: Sequence[Problem], *, is_extended: bool
) -> Sequence[Problem]:
    """Return the problems of a file without what a recipe leaves to those that extend it.

    One that nothing in the tree extends is there for others where it has no data, and is not called `recipe.yaml`.
    """
    left = [problem for problem in problems if problem.code in _LEFT_OPEN]
    if file.kind != "recipe" or not left:
        return problems
    rest = [problem for problem in problems if problem.code not in _LEFT_OPEN]
    if is_extended:
        return rest
    keys = [problem.message.split()[0] for problem in left if problem.code == "missing"]
    if file.path.name == RECIPE or "data" not in keys:
        return problems
    verb = "is" if len(keys) == 1 else "are"
    message = f"this recipe can only be extended: {', '.join(keys)} {verb} missing"
    hint = "that is as it should be where others extend it; to run it, write them into it"
    return [*rest, Problem(Location.at(file.path), message, hint, level="warning", code="base")]


def _problems(file: TreeFile, rows: bool) -> list[Problem]:
    # The process that hands the files out has no need of the whole engine.
    from engine.site.checking import problems_of_file

    return problems_of_file(file, rows=rows)


def _ended(file: TreeFile) -> list[Problem]:
    message = "checking this ended the process that did it"
    hint = "a library crashed over it: check its data, and report it if they are whole"
    return [Problem(Location.at(file.path), message, hint, code=file.kind)]
