"""`pada resolve`: the full recipe that a recipe is with all that it builds on."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine.cli.options import JsonOption, RecipeArgument, SetOption, VarOption


def resolve(
    recipe: RecipeArgument,
    var: VarOption = None,
    settings: SetOption = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="Also what the recipe leaves open.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without where each line is from.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Print the full recipe, with all that it extends, and where each line is from."""
    from engine.cli.recipes import overrides, values_of
    from engine.cli.terminal.streams import for_programs, print_records, write
    from engine.project import Project
    from engine.spec.extending.resolving import as_yaml, records, resolved

    loaded = Project.open(
        recipe, vars=overrides(var or []), settings=values_of(settings or [])
    ).loaded
    found = resolved(loaded, defaults=defaults)
    if json:
        print_records(sys.stdout, records(found))
        return
    write(for_programs(sys.stdout), as_yaml(found, plain=plain))
