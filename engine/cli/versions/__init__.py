"""`pada diff`, `history`, `rerun` and `bundle`: versions of recipes, and runs made again.

This module holds the arguments alone, so that `pada --help` loads nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.bounds import LARGEST
from engine.cli.options import (
    STATE,
    JsonOption,
    LimitOption,
    RecipeArgument,
    SetOption,
    StateOption,
    VarOption,
)


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Recipe, or run such as r0003.")],
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="B",
            help="Another one; or versions of A in git: v1.3..v1.4, or v1.3.. for the files as they are now."
            " HEAD.. when left out.",
        ),
    ] = None,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
    limit: LimitOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 where something differs.")
    ] = False,
) -> None:
    """Say what differs between two recipes, versions or runs by meaning, and what a run would have to do."""
    from engine.cli.versions.diff import diff_command, given

    diff_command(
        first,
        second,
        given(var, settings, state, limit),
        as_json=json,
        markdown=markdown,
        exit_code=exit_code,
    )


def history(
    recipe: RecipeArgument,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, max=LARGEST, help="At most this many versions.")
    ] = 20,
    json: JsonOption = False,
) -> None:
    """List the versions of a recipe in git and its runs, scores side by side."""
    from engine.cli.versions.diff import given
    from engine.cli.versions.history import history_command

    history_command(recipe, given(var, settings, state), count, as_json=json)


def rerun(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="Run such as r0003, or a file of `pada bundle`.")
    ],
    to: Annotated[
        Path | None, typer.Option("--to", help="For a bundle: folder to unpack it into.")
    ] = None,
    state: StateOption = STATE,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, only the result.")] = False,
) -> None:
    """Run exactly what a run was, or say what is missing; a bundle's replies answer in place of models."""
    from engine.cli.versions.rerun import rerun_command

    rerun_command(run, to, state, quiet)


def bundle(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run such as r0003.")],
    to: Annotated[Path, typer.Option("--to", help="File to write, such as support.tar.gz.")],
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Also the data files; else their digests.")
    ] = False,
    with_models: Annotated[
        bool,
        typer.Option(
            "--with-models", help="Also the trained adapters, which are not trained again then."
        ),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a file that is there.")
    ] = False,
    state: StateOption = STATE,
) -> None:
    """Write one archive of a run, from which others get the same rows and scores without asking a model."""
    from engine.cli.versions.bundle import bundle_command

    bundle_command(run, state, to, with_data=with_data, with_models=with_models, replace=replace)
