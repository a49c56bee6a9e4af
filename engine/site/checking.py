"""What is wrong with one file of a tree, whether or not a recipe uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.errors import EngineError, Location, Problem, RecipeError
from engine.operators import find_operators
from engine.operators.folder import read_operator
from engine.plan.validate import examine
from engine.site.tree import PROMPTS, SCHEMAS, Kind, TreeFile
from engine.spec.loader import load, reading
from engine.spec.method import read_method
from engine.spec.named_files import passed_file
from engine.spec.pack import read_pack
from engine.spec.prompts import parse_prompt
from engine.spec.recipe import Taxonomy
from engine.spec.reply_schemas import SchemaLibrary
from engine.spec.repository import project_file
from engine.spec.repository.installed import repository, unlocked
from engine.spec.repository.lock_file import read_lock
from engine.spec.taxonomies import with_file
from engine.spec.yaml import Document
from engine.sql import check_expression
from engine.stages import STAGES


def problems_of_file(file: TreeFile, *, rows: bool = True) -> list[Problem]:
    """Return every problem of a file, warnings included.

    Args:
        file: The file.
        rows: False reads no data of recipes.
    """
    path, kind = file
    try:
        with reading(path):
            passed = passed_file(path, path.parent, kind)
            if kind == "recipe":
                return examine(load(path), rows=rows).problems
            return list(_CHECKS[kind](passed))
    except RecipeError as error:
        return error.problems
    except EngineError as error:
        return [Problem(Location.at(path), error.message, error.hint, code=kind)]


def _taxonomy(file: Path) -> Iterator[Problem]:
    # As a recipe beside it that says nothing but its name.
    taxonomy, document = with_file(Taxonomy(file=file.name), Document({}, file), file.parent)
    assert document is not None
    yield from document.warnings
    for index, category in enumerate(taxonomy.categories):
        if category.where and (fault := check_expression(category.where, None, "condition")):
            at = document.at(("categories", index, "where"))
            yield Problem(at, f"where: {fault.message}", fault.hint, code="sql")


def _operator(file: Path) -> Iterator[Problem]:
    taken = dict.fromkeys(find_operators(None), "the engine")
    read_operator(file.parent, own=True, taken=taken)
    yield from ()


def _method(file: Path) -> Iterator[Problem]:
    read_method(file)
    yield from ()


def _pack(file: Path) -> Iterator[Problem]:
    read_pack(file)
    yield from ()


def _prompt(file: Path) -> Iterator[Problem]:
    folder = next(parent for parent in file.parents if parent.name == PROMPTS)
    parse_prompt(file.relative_to(folder).as_posix(), file)
    yield from ()


def _schema(file: Path) -> Iterator[Problem]:
    """Check a schema that stands for one of the engine's; of another, the recipe that names it says what it is for."""
    name = file.name.removesuffix(".schema.json")
    if name not in {reply for stage in STAGES.values() for reply in stage.replies}:
        return
    folder = next(parent for parent in file.parents if parent.name == SCHEMAS)
    pack = file.parent.relative_to(folder).as_posix()
    SchemaLibrary(folder.parent).get(name, pack)
    yield from ()


def _project(file: Path) -> Iterator[Problem]:
    project_file(file.parent)
    yield from ()


def _lock(file: Path) -> Iterator[Problem]:
    """Check that a lock can be read, and is what the `pada.yaml` beside it asks for; installed packages are not."""
    read_lock(file.parent)
    if (whole := repository(file.parent)) is not None:
        yield from unlocked(whole)


_CHECKS: Mapping[Kind, Callable[[Path], Iterator[Problem]]] = {
    "taxonomy": _taxonomy,
    "operator": _operator,
    "method": _method,
    "pack": _pack,
    "prompt": _prompt,
    "schema": _schema,
    "project": _project,
    "lock": _lock,
}
"""Kind -> what yields the warnings of a file, resolved, and raises RecipeError for what is wrong with it."""
