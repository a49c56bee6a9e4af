"""`pada patterns`: failure patterns found, adopted and looked at; each subcommand is a module here that prints.

This module holds the subcommands' arguments alone, so that `pada --help` loads nothing heavy.
"""

from __future__ import annotations

from typing import Annotated

import typer

from engine.cli.options import STATE, LimitOption, RecipeArgument, StateOption, VarOption

patterns_app = typer.Typer(help="Failure patterns.", no_args_is_help=True)


@patterns_app.command("slices")
def slices(
    recipe: RecipeArgument,
    round: Annotated[
        int | None, typer.Option("--round", min=-1, help="Scored round; the last when left out.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="One of the recipe's; its first.")
    ] = None,
    min_size: Annotated[
        int, typer.Option("--min-size", min=5, help="Fewest rows of a slice.")
    ] = 20,
    level: Annotated[
        float,
        typer.Option("--level", min=0.0001, max=0.5, help="Adjusted p-value to stay within."),
    ] = 0.05,
    conditions: Annotated[
        int, typer.Option("--conditions", min=1, max=2, help="Conditions that a slice may join.")
    ] = 1,
    yaml: Annotated[
        bool, typer.Option("--yaml", help="Print categories for a taxonomy instead.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per slice.")] = False,
    var: VarOption = None,
    state: StateOption = STATE,
    limit: LimitOption = None,
) -> None:
    """Propose slices of the validation rows that fail more often than chance, each with its SQL; asks no model."""
    from engine.cli.patterns.slices import Wanted, show_slices

    wanted = Wanted(round, seed, min_size, level, conditions)
    show_slices(recipe, var or [], state, limit, wanted, as_yaml=yaml, as_json=json)


@patterns_app.command("adopt")
def adopt(
    recipe: RecipeArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Proposals; all of enough failures without."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="The run that proposed them; the recipe's last.")
    ] = None,
    least: Annotated[
        int, typer.Option("--least", min=1, help="Failures that an unnamed proposal must have.")
    ] = 3,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be written.")
    ] = False,
    var: VarOption = None,
    state: StateOption = STATE,
) -> None:
    """Write categories that the teacher proposed into the taxonomy; comments and form of the file stay."""
    from engine.cli.patterns.adopt import adopt_categories

    adopt_categories(recipe, names or [], var or [], state, run, least, write=not dry_run)


__all__ = ["patterns_app"]
