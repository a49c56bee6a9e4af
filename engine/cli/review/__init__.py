"""`pada review`: people look at rows, one by one in a terminal, or in a file that they fill in.

This module holds the command's arguments alone, so that `pada --help` loads nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.bounds import LARGEST
from engine.cli.options import STATE, LimitOption, SetOption, StateOption, VarOption

FileOption = Annotated[Path | None, typer.Option(metavar="FILE")]


def review(
    recipe: Annotated[
        str | None,
        typer.Argument(help="Recipe file, its folder, or a name; that of the last run."),
    ] = None,
    queue: Annotated[
        str | None,
        typer.Option(help="candidates, suspect, disagreement, pool or conflicts."),
    ] = None,
    count: Annotated[
        int, typer.Option("-n", "--n", min=1, max=LARGEST, help="Rows to look at.")
    ] = 20,
    pattern: Annotated[
        str | None, typer.Option(help="Only rows against this pattern: its id or its name.")
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who reviews; git's user name.")
    ] = None,
    resolve: Annotated[
        bool,
        typer.Option(
            "--resolve", help="Decide the rows on which reviewers differ: what you say counts."
        ),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FILE", help="Write the rows to fill in: .csv or .jsonl."),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Take the verdicts of a file filled in."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Read lines instead of keys, for screen readers.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="List the rows: one JSON object per line.")
    ] = False,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
    limit: LimitOption = None,
) -> None:
    """Look at rows and say what is right; the next run trains on what you say."""
    from engine.cli.review.command import Asked, review_command

    asked = Asked(queue, count, pattern, reviewer, resolve, plain)
    review_command(
        recipe, var or [], state, limit, asked, export, import_, settings or [], as_json=json
    )


__all__ = ["review"]
