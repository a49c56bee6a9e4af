"""Commands for a whole tree of recipes; each is a module here that prints.

This module holds the arguments alone, so that `pada --help` loads nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.bounds import LARGEST
from engine.cli.options import STATE, SetOption, StateOption, VarOption

JobsOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=LARGEST, help="For a folder: processes at most; one per core when left out."
    ),
]


def validate(
    recipe: Annotated[
        str,
        typer.Argument(
            help="Recipe file, its folder, a shipped recipe's name, or the folder of a repository of recipes."
        ),
    ],
    var: VarOption = None,
    settings: SetOption = None,
    all_: Annotated[
        bool,
        typer.Option("--all", help="Everything in the folder, also where it has a recipe.yaml."),
    ] = False,
    no_data: Annotated[
        bool,
        typer.Option("--no-data", help="Look at no rows: data need not be there, as in CI."),
    ] = False,
    changed: Annotated[
        str | None,
        typer.Option(
            "--changed",
            metavar="REVISION",
            help="For a folder: only what differs from this revision of git, and what depends on it.",
        ),
    ] = None,
    jobs: JobsOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="For a folder: name the files that are left out.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per problem and line.")
    ] = False,
) -> None:
    """Check a recipe, its prompts and its data, or a whole folder of recipes; report every problem at once."""
    from engine.cli.site.validation import Asked, means_tree, show_tree_validation

    asked = Asked(all_, not no_data, changed, jobs, verbose)
    if means_tree(recipe, asked):
        show_tree_validation(Path(recipe), asked, [*(var or []), *(settings or [])], as_json=json)
        return
    from engine.cli.recipes import show_validation

    show_validation(recipe, var or [], settings or [], as_json=json, rows=not no_data)


def docs(
    tree: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="Folder of the repository of recipes.")
    ] = Path(),
    to: Annotated[Path, typer.Option("--to", help="Folder to write.")] = Path("site"),
    state: StateOption = STATE,
    no_rows: Annotated[
        bool, typer.Option("--no-rows", help="Show prompts as they are written, without rows.")
    ] = False,
    jobs: JobsOption = None,
) -> None:
    """Write pages that show the recipes of a folder: plans, settings, operators, prompts, scores; asks no model."""
    from engine.cli.site.pages import docs_command

    docs_command(tree, to, state, rows=not no_rows, jobs=jobs)


def ci(
    system: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="github, github-comment (writes under pull requests what the first found) or gitlab.",
            autocompletion=lambda: ("github", "github-comment", "gitlab"),
        ),
    ],
) -> None:
    """Print a workflow that checks, plans and compares the recipes of a repository with each change."""
    from engine.cli.site.workflows import ci_command

    ci_command(system)
