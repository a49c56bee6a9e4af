"""`pada validate` of a folder: every recipe in it, and everything that belongs to one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import typer

from engine.cli.terminal.logged import log_problems
from engine.cli.terminal.streams import echo, for_programs
from engine.errors import EngineError, Location, Problem, RecipeError
from engine.gate.roots import PROJECT, allowed
from engine.site.tree import is_tree, read_tree
from engine.spec.loader import find_recipe
from engine.system.plain_text import clean_json


class Asked(NamedTuple):
    """How a tree is to be checked."""

    all: bool = False
    """Also where the folder has a recipe of its own, which it would stand for."""
    rows: bool = True
    changed: str | None = None
    """The revision since which something must have changed."""
    jobs: int | None = None
    verbose: bool = False


def means_tree(name: str, asked: Asked) -> bool:
    """Return whether what is named is to be checked as a whole tree; raises EngineError for options of a tree alone."""
    folder = Path(name)
    if asked.all:
        return True
    if is_tree(folder):
        if (folder / PROJECT).is_file():
            return True
        try:
            find_recipe(name)
        except RecipeError:
            return True
    for option, given in (("--changed", asked.changed), ("--jobs", asked.jobs)):
        if given is not None:
            raise EngineError(
                f"{option} is for a folder of recipes, and {name} is one recipe",
                f"leave it out, or say --all: `pada validate --all {option} … FOLDER`",
            )
    return False


def show_tree_validation(
    folder: Path, asked: Asked, assignments: Sequence[str], *, as_json: bool
) -> None:
    """Print every problem in a tree once, and how much was checked; raises typer.Exit with 2 where there are errors.

    Raises:
        EngineError: there is nothing to check, or git does not know the revision.
    """
    if assignments:
        raise EngineError(
            "--var and --set are for one recipe, and a folder may hold many",
            "name the recipe, or write the value into it; data that are not here: --no-data",
        )
    from engine.site.validation import validate_tree

    tree = read_tree(folder)
    if asked.verbose:
        for path in tree.ignored:
            echo(f"ignored, nothing of recipes: {Location.at(path).file}", error=True)
    only = None
    if asked.changed is not None:
        from engine.site.changes import affected, changed_files

        only = affected(tree, changed_files(tree.root, asked.changed))
    found = validate_tree(tree, only, rows=asked.rows, jobs=asked.jobs, allowed=allowed())
    log_problems(found.problems)
    for problem in found.problems:
        if as_json:
            print_problem(problem)
        else:
            echo(problem, error=True)
    if not as_json:
        echo(found.summary)
    if found.errors:
        raise typer.Exit(RecipeError.exit_code)


def print_problem(problem: Problem) -> None:
    """Print a problem as one JSON object."""
    record = {**asdict(problem.where), **asdict(problem)}
    del record["where"]
    # Texts from a recipe may hold halves of characters, which orjson does not take.
    for_programs(sys.stdout).write(clean_json(json.dumps(record, ensure_ascii=False)) + "\n")
