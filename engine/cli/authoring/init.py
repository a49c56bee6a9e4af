"""`pada init` as typer sees it: arguments alone, nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_OF_DATA = "What the data is"
_OF_TASK = "What the model does"
_OF_TEACHER = "Who teaches"
_OF_FILES = "What is written"


def init(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE…",
            help="CSV, TSV, XLSX, JSONL, JSON, Parquet, hf://owner/name, or a folder: one, or one for each split"
            " (train, validation, test in their names).",
        ),
    ] = None,
    train: Annotated[
        str | None, typer.Option(metavar="FILE", help="Training rows.", rich_help_panel=_OF_DATA)
    ] = None,
    validation: Annotated[
        str | None, typer.Option(metavar="FILE", help="Validation rows.", rich_help_panel=_OF_DATA)
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="FILE", help="Test rows.", rich_help_panel=_OF_DATA)
    ] = None,
    pool: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Rows without answers.", rich_help_panel=_OF_DATA),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="KEY=VALUE",
            help="How files are written, where that is detected wrongly: encoding=cp1252, delimiter=';', header=3,"
            " sheet=NAME. Repeatable.",
            rich_help_panel=_OF_DATA,
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="`pada list tasks` has them.", rich_help_panel=_OF_TASK),
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="COLUMN",
            help="Column that the model sees; several with commas, or repeat it.",
            rich_help_panel=_OF_TASK,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The right answers.", rich_help_panel=_OF_TASK),
    ] = None,
    fold: Annotated[
        list[str] | None,
        typer.Option(
            "--fold-labels",
            metavar="WHAT",
            help="What makes no difference between labels: case, space, unicode; none for nothing.",
            rich_help_panel=_OF_TASK,
        ),
    ] = None,
    description: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="What rows are and what the answer means, in a sentence.",
            rich_help_panel=_OF_TASK,
        ),
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="WHO",
            help="embedded, openai, anthropic or batch.",
            rich_help_panel=_OF_TEACHER,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The teacher's server, such as http://localhost:11434/v1.",
            rich_help_panel=_OF_TEACHER,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Its name for the model.", rich_help_panel=_OF_TEACHER),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="VARIABLE",
            help="Variable of the environment that holds the key; none for no key.",
            rich_help_panel=_OF_TEACHER,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RECIPE",
            help="Copy this recipe in place of looking at data: a shipped one's name, or PACKAGE/PATH.",
            rich_help_panel=_OF_FILES,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="The recipe's name.", rich_help_panel=_OF_FILES),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to write; here when left out, with --from in a folder of the recipe's name.",
            rich_help_panel=_OF_FILES,
        ),
    ] = None,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Take all proposals.", rich_help_panel=_OF_FILES),
    ] = False,
) -> None:
    """Write a recipe for a data file: looks at it, asks what it cannot know, checks what it writes."""
    from engine.authoring.start.asking import Asked
    from engine.authoring.start.teachers import AskedTeacher
    from engine.cli.authoring.init_command import copy_command, init_command

    splits = {"train": train, "validation": validation, "test": test, "pool": pool}
    asked = Asked(
        files=files or [],
        splits={split: file for split, file in splits.items() if file is not None},
        task=task,
        input=inputs or [],
        target=target,
        fold=fold or [],
        name=name,
        description=description,
        to=to or Path(),
        format=form or [],
        teacher=AskedTeacher(teacher, address, model, key),
    )
    if source is not None:
        copy_command(source, asked, to)
    else:
        init_command(asked, takes_all=yes)
