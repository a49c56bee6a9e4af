"""`pada patterns`: failure patterns found, adopted and looked at; each subcommand is a module here that prints.

This module holds the subcommands' arguments alone, so that `pada --help` loads nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from engine.bounds import LARGEST
from engine.cli.options import (
    STATE,
    JsonOption,
    LimitOption,
    OwnStateOption,
    RawOption,
    RecipeArgument,
    SetOption,
    StateOption,
    VarOption,
)

patterns_app = typer.Typer(help="Failure patterns.")
RunOption = Annotated[str | None, typer.Option("--run", help="The run; the last when left out.")]
NameOption = Annotated[str | None, typer.Option("--recipe", help="Name of a recipe: its last run.")]
RowsOption = Annotated[
    int,
    typer.Option(
        "-n",
        "--rows",
        min=1,
        max=LARGEST,
        help="At most this many members, and rows of each outcome.",
    ),
]


class Chosen(NamedTuple):
    """What was said before a subcommand; its own options go first."""

    state: Path
    run: str | None
    recipe: str | None


@patterns_app.callback(invoke_without_command=True)
def patterns(
    context: typer.Context,
    run: RunOption = None,
    recipe: NameOption = None,
    state: StateOption = STATE,
    json: JsonOption = False,
) -> None:
    """Failure patterns of a run: what each has left, what was written against it, what it took."""
    context.obj = Chosen(state, run, recipe)
    if context.invoked_subcommand is None:
        from engine.cli.patterns.listing import Where, list_patterns

        list_patterns(Where(state, run, recipe), as_json=json)


@patterns_app.command("show")
def show(
    context: typer.Context,
    pattern: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, the beginning of it, or its name.")
    ],
    run: RunOption = None,
    recipe: NameOption = None,
    rows: RowsOption = 5,
    state: OwnStateOption = None,
) -> None:
    """Show one pattern whole: what it is, whether it is real, its life, its members and rows, its price."""
    from engine.cli.patterns.listing import Where, show_pattern

    show_pattern(Where(*_chosen(context, run, recipe, state)), pattern, rows)


@patterns_app.command("export")
def export(
    context: typer.Context,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="File to write, .md or .csv; printed when left out."),
    ] = None,
    csv: Annotated[
        bool, typer.Option("--csv", help="CSV with a line per pattern, instead of Markdown.")
    ] = False,
    raw: RawOption = False,
    run: RunOption = None,
    recipe: NameOption = None,
    rows: RowsOption = 20,
    state: OwnStateOption = None,
) -> None:
    """Print or write the patterns of a run as Markdown or CSV."""
    from engine.cli.patterns.listing import Where, export_patterns

    export_patterns(Where(*_chosen(context, run, recipe, state)), out, rows, as_csv=csv, raw=raw)


def _chosen(
    context: typer.Context, run: str | None, recipe: str | None, state: Path | None
) -> Chosen:
    before: Chosen = context.obj
    own = run is not None or recipe is not None
    return Chosen(
        state or before.state, run if own else before.run, recipe if own else before.recipe
    )


@patterns_app.command("slices")
def slices(
    context: typer.Context,
    recipe: RecipeArgument,
    round: Annotated[
        int | None,
        typer.Option("--round", min=-1, max=LARGEST, help="Scored round; the last when left out."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", min=0, max=LARGEST, help="One of the recipe's seeds; the first when left out."
        ),
    ] = None,
    min_size: Annotated[
        int, typer.Option("--min-size", min=5, max=LARGEST, help="Fewest rows of a slice.")
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
    settings: SetOption = None,
    state: OwnStateOption = None,
    limit: LimitOption = None,
) -> None:
    """Propose slices of validation rows, and of a log, that fail more often than chance, with SQL; asks no model."""
    from engine.cli.patterns.slices import Wanted, show_slices

    wanted = Wanted(round, seed, min_size, level, conditions)
    state = state or context.obj.state
    show_slices(recipe, var or [], state, limit, wanted, settings or [], as_yaml=yaml, as_json=json)


@patterns_app.command("adopt")
def adopt(
    context: typer.Context,
    recipe: RecipeArgument,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Proposals to adopt; all with enough failures when left out."
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", help="The run that proposed them; the recipe's last when left out."),
    ] = None,
    least: Annotated[
        int,
        typer.Option(
            "--least", min=1, max=LARGEST, help="Fewest failures of a proposal that is not named."
        ),
    ] = 3,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be written.")
    ] = False,
    var: VarOption = None,
    settings: SetOption = None,
    state: OwnStateOption = None,
) -> None:
    """Write categories that the teacher proposed into the taxonomy; comments and form of the file stay."""
    from engine.cli.patterns.adopt import adopt_categories

    state = state or context.obj.state
    adopt_categories(
        recipe, names or [], var or [], state, run, least, settings or [], write=not dry_run
    )


__all__ = ["patterns_app"]
