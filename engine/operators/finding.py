"""Where operators are: the engine's own beside this file, a recipe's in `operators/` beside the recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from engine.errors import Location, Problem, RecipeError
from engine.operators.folder import DEFINITION, read_operator
from engine.operators.operator import Operator
from engine.registry import Registry

FOLDER = "operators"
"""Name of the folder beside a recipe."""
_HERE = Path(__file__).parent


class Found(NamedTuple):
    """The operators that a recipe can name, and what is wrong with the others."""

    operators: Registry[Operator]
    problems: Sequence[Problem]
    broken: frozenset[str]
    """Names of the folders that have a problem."""


def find_operators(base: Path | None) -> Registry[Operator]:
    """Return the engine's operators, and those beside the recipe in the folder `base`; raises RecipeError."""
    lookup = look_for_operators(base)
    if lookup.problems:
        raise RecipeError(lookup.problems)
    return lookup.operators


def look_for_operators(base: Path | None) -> Found:
    """Return what `find_operators` does, and every problem instead of raising it."""
    engines = _engines()
    operators: list[Operator] = list(engines)
    problems: list[Problem] = []
    broken: set[str] = set()
    taken = {operator.name for operator in engines}
    for folder in _folders(base, problems, broken) if base is not None else ():
        try:
            operators.append(read_operator(folder, own=True, taken=taken))
        except RecipeError as error:
            problems += error.problems
            broken.add(folder.name)
        except OSError as error:
            where = Location.at(Path(error.filename or folder))
            message = f"this cannot be read: {error.strerror}"
            problems.append(Problem(where, message, "check its permissions", code="operator"))
            broken.add(folder.name)
    return Found(Registry("operator", operators), problems, frozenset(broken))


@cache
def _engines() -> tuple[Operator, ...]:
    folders = sorted(file.parent for file in _HERE.glob(f"*/{DEFINITION}"))
    return tuple(read_operator(folder, own=False) for folder in folders)


def _folders(base: Path, problems: list[Problem], broken: set[str]) -> Iterable[Path]:
    """Return the folders beside a recipe that are meant as operators, by name; notes what is wrong with others."""
    home = base / FOLDER
    if not home.is_dir():
        return []
    if not home.resolve().is_relative_to(base.resolve()):
        message = f"{FOLDER}/ is a link that leaves the recipe's folder"
        hint = "copy the operators beside the recipe"
        problems.append(Problem(Location.at(home), message, hint, code="operator"))
        return []
    folders: list[Path] = []
    for path in sorted(home.iterdir()):
        if path.name.startswith((".", "__")):
            continue
        if not path.resolve().is_relative_to(home.resolve()):
            message = "this is a link that leaves the recipe's operators"
            hint = "copy the operator's folder"
            problems.append(Problem(Location.at(path), message, hint, code="operator"))
            broken.add(path.name)
        elif path.is_dir():
            folders.append(path)
        elif path.suffix in {".yaml", ".yml"}:
            message = "an operator is a folder, and this is a file"
            hint = f"move it to {FOLDER}/{path.stem}/{DEFINITION}, and its prompt beside it"
            problems.append(Problem(Location.at(path), message, hint, code="operator"))
            broken.add(path.stem)
    return folders
