"""Where operators are: the engine's own here, a recipe's in `operators/` beside it or in folders that it names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from engine.errors import Location, Problem, RecipeError
from engine.gate import passed
from engine.operators.folder import DEFINITION, read_operator
from engine.operators.operator import Operator
from engine.registry import Later, Registry
from engine.spec.named_files import NOTHING_FURTHER, Further

ENGINE = "the engine"
"""What the engine's own operators are from."""
FOLDER = "operators"
"""Name of the folder beside a recipe."""
_HERE = Path(__file__).parent


class Found(NamedTuple):
    """The operators that a recipe can name, and what is wrong with the others."""

    operators: Registry[Operator]
    problems: Sequence[Problem]
    broken: frozenset[str]
    """Names of the folders that have a problem."""


def find_operators(
    base: Path | None, named: Sequence[str] = (), more: Further = NOTHING_FURTHER
) -> Registry[Operator]:
    """Return the engine's operators, and those of a recipe; raises RecipeError with every problem.

    Args:
        base: The recipe's folder; None for the engine's operators alone.
        named: Further folders that the recipe names, relative to its own.
        more: Where operators are looked for besides.
    """
    lookup = look_for_operators(base, named, more=more)
    if lookup.problems:
        raise RecipeError(lookup.problems)
    return lookup.operators


def look_for_operators(
    base: Path | None,
    named: Sequence[str] = (),
    where: Sequence[Location] = (),
    more: Further = NOTHING_FURTHER,
) -> Found:
    """Return what `find_operators` does, and every problem instead of raising it.

    Args:
        base: The recipe's folder; None for the engine's operators alone.
        named: Further folders that the recipe names, relative to its own.
        where: Where the recipe names each of them.
        more: Where operators are looked for besides: what lies beside the recipe hides one of that name there.
    """
    engines = _engines()
    operators: list[Operator | Later[Operator]] = list(engines)
    problems: list[Problem] = []
    broken: set[str] = set()
    taken = {operator.name: ENGINE for operator in engines}
    folders: list[Path] = []
    if base is not None:
        folders += _own_folders(base, problems, broken)
        folders += more.operators.values()
        for home in more.folders:
            known = {folder.name for folder in folders}
            beside = _own_folders(home, problems, broken)
            folders += [folder for folder in beside if folder.name not in known]
        for number, name in enumerate(named):
            home = Path(os.path.normpath(base / name))
            at = where[number] if number < len(where) else Location.at(home)
            try:
                home = passed(home, base, _refused(at))
            except RecipeError as error:
                problems += error.problems
                continue
            if home.is_dir():
                folders += _folders(home, problems, broken)
                continue
            message, hint = (
                f"there is no folder {name}",
                "it is looked for from the recipe's folder",
            )
            problems.append(Problem(at, message, hint, code="operator"))
    for folder in folders:
        try:
            found = read_operator(folder, own=True, taken=taken)
        except RecipeError as error:
            problems += error.problems
            broken.add(folder.name)
        except OSError as error:
            at = Location.at(Path(error.filename or folder))
            message = f"this cannot be read: {error.strerror}"
            problems.append(Problem(at, message, "check its permissions", code="operator"))
            broken.add(folder.name)
        else:
            operators.append(found)
            taken[found.name] = f"{folder.parent}"
    return Found(Registry("operator", operators), problems, frozenset(broken))


def _refused(at: Location) -> Callable[[str, str], RecipeError]:
    return lambda message, hint: RecipeError([Problem(at, message, hint, code="operator")])


@cache
def _engines() -> tuple[Later[Operator], ...]:
    """Return the engine's own operators, each read once, when it is first asked for."""
    folders = sorted(file.parent for file in _HERE.glob(f"*/{DEFINITION}"))
    return tuple(Later(folder.name, partial(_engines_own, folder)) for folder in folders)


@cache
def _engines_own(folder: Path) -> Operator:
    return read_operator(folder, own=False)


def _own_folders(base: Path, problems: list[Problem], broken: set[str]) -> Iterable[Path]:
    """Return the folders beside a recipe that are meant as operators, by name; notes what is wrong with others."""
    home = base / FOLDER
    if not home.is_dir():
        return []
    if not home.resolve().is_relative_to(base.resolve()):
        message = f"{FOLDER}/ is a link that leaves the recipe's folder"
        hint = (
            "copy the operators beside the recipe, or name their folder: augment.operator_folders"
        )
        problems.append(Problem(Location.at(home), message, hint, code="operator"))
        return []
    return _folders(home, problems, broken)


def _folders(home: Path, problems: list[Problem], broken: set[str]) -> Iterable[Path]:
    """Return the folders in one that are meant as operators, by name; notes what is wrong with others."""
    folders: list[Path] = []
    for path in sorted(home.iterdir()):
        if path.name.startswith((".", "__")):
            continue
        if not path.resolve().is_relative_to(home.resolve()):
            message = "this is a link that leaves the folder of the operators"
            hint = "copy the operator's folder"
            problems.append(Problem(Location.at(path), message, hint, code="operator"))
            broken.add(path.name)
        elif path.is_dir():
            folders.append(path)
        elif path.suffix in {".yaml", ".yml"}:
            message = "an operator is a folder, and this is a file"
            hint = (
                f"move it to {path.parent.name}/{path.stem}/{DEFINITION}, and its prompt beside it"
            )
            problems.append(Problem(Location.at(path), message, hint, code="operator"))
            broken.add(path.stem)
    return folders
