"""`pada validate`, `plan`, `list` and `schema`: what a recipe says, without running it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from engine.cli.data import print_profile
from engine.cli.site.validation import print_problem
from engine.cli.terminal.logged import log_problems
from engine.cli.terminal.output import make_console, say
from engine.cli.terminal.streams import echo, for_programs, print_records, write
from engine.data.profile import profile
from engine.errors import EngineError, Problem, RecipeError
from engine.plan.defaults import complete
from engine.plan.validate import Examined, examine
from engine.registry import did_you_mean
from engine.rehearsal.own_prompts import has_own_prompts
from engine.spec.extending.settings import assignment
from engine.spec.loader import LoadedRecipe, load
from engine.spec.package_data import shipped
from engine.spec.repository.project_file import shown
from engine.system.places import STATE
from engine.system.platforms import require_supported

if TYPE_CHECKING:
    from engine.project import Project


def overrides(assignments: Sequence[str]) -> dict[str, str]:
    """Return `name=value` arguments as a mapping; raises EngineError for one that is no assignment."""
    values = {}
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise EngineError(f"--var {text}: not an assignment", "write --var name=value")
        if not _is_text(text):
            shown = text.encode("utf-8", "backslashreplace").decode()
            raise EngineError(f"--var {shown}: not UTF-8", "write its value in UTF-8")
        values[name] = value
    return values


def values_of(settings: Sequence[str]) -> dict[str, Any]:
    """Return `key=value` arguments as a mapping, values read as YAML; raises RecipeError for what is none."""
    return dict(map(assignment, settings))


def _is_text(argument: str) -> bool:
    """Return whether an argument is text: bytes of the command line that are not come as halves of characters."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked(
    recipe: str,
    assignments: Sequence[str],
    state: Path = STATE,
    limit: int | None = None,
    table: Console | None = None,
    settings: Sequence[str] = (),
    *,
    to_run: bool = False,
) -> Project:
    """Return the project of a recipe without errors, its warnings printed; raises RecipeError with every problem.

    Args:
        recipe: File, folder or name.
        assignments: `name=value` for its vars.
        state: Folder of the store and the trained models.
        limit: At most this many rows of each split.
        table: Where to print a profile of its rows; nowhere when left out.
        settings: `key=value` over the recipe's own.
        to_run: Whether rows that a run which is done had just so need not be checked again.
    """
    from engine.project import Project
    from engine.run.kept.unchanged import examined_before

    project = Project.open(recipe, state, overrides(assignments), limit, values_of(settings))
    before = examined_before(project.loaded, project.state, limit) if to_run else None
    if before is not None:
        run, examined = before
        project = replace(project, known=examined)
        if table is not None:
            say(table, f"the rows are those of {run}, which checked them: they are not read again")
            table = None
    problems = project.validate()
    log_problems(problems)
    for problem in problems:
        echo(problem, error=True)
    if table is not None:
        print_profile(table, project.profile)
    return project


def show_validation(
    recipe: str,
    assignments: Sequence[str],
    settings: Sequence[str] = (),
    *,
    as_json: bool = False,
    rows: bool = True,
) -> None:
    """Print every problem, or a profile of the rows and that the recipe is valid.

    With `as_json` the problems are one JSON object per line, warnings too; a recipe without problems prints nothing.
    Without `rows` no data are looked at, and there is no profile.
    """
    found: Examined | None = None
    try:
        require_supported()
        loaded = complete(load(recipe, overrides(assignments), values_of(settings)))
        found = examine(loaded, rows=rows)
        problems = found.problems
        if rows and not _is_wrong(problems) and has_own_prompts(loaded):
            problems = _tried_out(loaded, found)
    except RecipeError as error:
        problems = error.problems
    if as_json:
        for problem in problems:
            print_problem(problem)
        if _is_wrong(problems):
            raise typer.Exit(RecipeError.exit_code)
        return
    if found is None or _is_wrong(problems):
        raise RecipeError(problems)
    log_problems(problems)
    for problem in problems:
        echo(problem, error=True)
    if rows:
        found.splits.read()
        print_profile(make_console(), profile(loaded, found.splits))
    valid = "is valid" if rows else "is valid, its rows aside"
    echo(f"{loaded.path}: recipe '{loaded.recipe.name}' {valid}")


def _is_wrong(problems: Sequence[Problem]) -> bool:
    return any(problem.level == "error" for problem in problems)


def _tried_out(loaded: LoadedRecipe, found: Examined) -> list[Problem]:
    """Return every problem of a recipe with prompts of its own, which are rendered as a run would."""
    from engine.project import Project
    from engine.spec.repository import state_folder

    return Project(loaded, state_folder(), known=found).problems


def show_plan(
    recipe: str,
    assignments: Sequence[str],
    state: Path,
    limit: int | None,
    graph: bool,
    settings: Sequence[str] = (),
    gpus: str | None = None,
    gpu_price: float | None = None,
    gpu_speed: float = 1.0,
    *,
    as_json: bool = False,
) -> None:
    """Print the DAG with each node's state, the estimate, the forecast for some GPUs, and what goes where."""
    from engine.cli.compare import numbers
    from engine.cli.planning import print_plan
    from engine.report.foreseen.forecast import USUAL, Devices

    devices = Devices(numbers(gpus, "--gpus") or USUAL, gpu_price, gpu_speed).checked()
    project = checked(recipe, assignments, state, limit, settings=settings)
    print_plan(project, graph, devices, as_json=as_json)


def show_list(what: str, recipe: str | None = None, *, as_json: bool = False) -> None:
    """Print the names of one registry, or of the shipped recipes; with a recipe, what is its own too.

    With `as_json` each is a JSON object of `name` and `description`; a recipe has its file there.
    """
    if what == "packages":
        _show_packages(as_json=as_json)
        return
    from engine.backends import BACKENDS
    from engine.cli.operators.listing import LABELS, operator_lines
    from engine.metrics import METRICS
    from engine.operators import ROW_FUNCTIONS
    from engine.spec.repository import recipes_here
    from engine.stages.analyse.clusterers import CLUSTERERS
    from engine.stages.quality import GATES
    from engine.tasks import TASKS

    loaded = load(recipe) if recipe is not None and what in ("packs", "methods") else None
    lists: dict[str, list[tuple[str, str]]] = {
        "tasks": [(t.name, (type(t).__doc__ or "").split("\n")[0]) for t in TASKS.values()],
        "metrics": [(m.name, m.description) for m in METRICS.values()],
        "operators": operator_lines(recipe) if what == "operators" else [],
        "row-functions": [
            (f.name, f"{f.description} (label: {f.label}, {LABELS[f.label]})")
            for f in ROW_FUNCTIONS.values()
        ],
        "backends": [(b.name, f"roles: {', '.join(b.roles)}") for b in BACKENDS.values()],
        "clusterers": [(c.name, c.description) for c in CLUSTERERS.values()],
        "gates": [(g.name, g.description) for g in GATES.values()],
        "packs": _packs(loaded) if what == "packs" else [],
        "methods": _methods(loaded) if what == "methods" else [],
        "recipes": [
            *recipes_here(),
            *((p.parent.name, str(p)) for p in sorted(shipped("recipes").glob("*/recipe.yaml"))),
        ],
    }
    if what not in lists:
        hint = did_you_mean(what, [*lists, "packages"])
        raise EngineError(f"there is no list of '{what}'", hint)
    if as_json:
        print_records(sys.stdout, ({"name": n, "description": t} for n, t in lists[what]))
        return
    for name, text in lists[what]:
        echo(f"{name:<24} {text}")


def _show_packages(*, as_json: bool) -> None:
    from engine.cli.packages.deps import package_lines
    from engine.packages.listing import package_records

    if as_json:
        print_records(sys.stdout, package_records(Path.cwd()))
        return
    for name, text in package_lines(Path.cwd()):
        echo(f"{name:<24} {text}")


def _methods(loaded: LoadedRecipe | None) -> list[tuple[str, str]]:
    """Return each method's name, what it does and where it comes from; raises RecipeError for a broken file."""
    from engine.spec.method import find_methods, read_method

    found = find_methods(loaded.base, loaded.further) if loaded else find_methods()
    base = loaded.base if loaded else None
    return [
        (name, f"{read_method(file).description} (from {_place(file, base)})")
        for name, file in sorted(found.items())
    ]


def _packs(loaded: LoadedRecipe | None) -> list[tuple[str, str]]:
    """Return each pack's name, for which models it is and where it comes from; raises RecipeError for a broken file."""
    from engine.spec.pack import find_packs, read_pack

    found = find_packs(loaded.base, loaded.further) if loaded else find_packs()
    base = loaded.base if loaded else None
    return [
        (name, f"{read_pack(file).description} (from {_place(file, base)})")
        for name, file in sorted(found.items())
    ]


def _place(file: Path, base: Path | None) -> str:
    if base is not None and file.is_relative_to(base):
        return f"{file.relative_to(base).as_posix()} of the recipe"
    ours = (shipped("recipes"), shipped("prompts"))
    return "the engine" if any(map(file.is_relative_to, ours)) else str(shown(file))


def show_schema(what: str) -> None:
    """Print the JSON Schema of a kind of file."""
    from engine.plan.schema import (
        method_schema,
        operator_schema,
        pack_schema,
        project_schema,
        recipe_schema,
        schema_text,
        taxonomy_schema,
    )

    schemas = {
        "recipe": recipe_schema,
        "operator": operator_schema,
        "pack": pack_schema,
        "method": method_schema,
        "taxonomy": taxonomy_schema,
        "project": project_schema,
    }
    if what not in schemas:
        raise EngineError(f"there is no schema of '{what}'", did_you_mean(what, schemas))
    write(for_programs(sys.stdout), schema_text(schemas[what]()))
