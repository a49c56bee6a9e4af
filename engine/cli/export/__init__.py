"""`pada export`: a run's rows and its best model as folders for other programs; this module holds the arguments alone.

What is printed is in `written.py`, so that `pada --help` loads nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.bounds import LARGEST
from engine.cli.options import STATE, SetOption, StateOption, VarOption

export_app = typer.Typer(
    help="A run's rows, or its best model, as a folder for other programs.", no_args_is_help=True
)
RecipeOption = Annotated[
    str | None,
    typer.Argument(
        help="Recipe file, its folder, or a shipped recipe's name: its last run. The last run of all when left out."
    ),
]
ToOption = Annotated[Path, typer.Option("--to", help="Folder to write; it is whole or not there.")]
RunOption = Annotated[str | None, typer.Option("--run", help="The run; the last when left out.")]
SeedOption = Annotated[
    int | None, typer.Option("--seed", max=LARGEST, help="One of the run's seeds.")
]
ReplaceOption = Annotated[
    bool, typer.Option("--replace", help="Replace an earlier export; never another folder.")
]
PushOption = Annotated[
    str | None,
    typer.Option(
        "--push", metavar="NAME", help="Also upload it to the Hugging Face Hub, private, as owner/name."
    ),
]  # fmt: skip
LicenceOption = Annotated[
    str | None, typer.Option("--licence", help="Licence that the card states, such as apache-2.0.")
]


@export_app.command("data")
def data(
    to: ToOption,
    recipe: RecipeOption = None,
    layout: Annotated[
        str,
        typer.Option(
            help="rows, chat, alpaca, sharegpt, completion, preference (pairs for DPO) or writer_preference."
        ),
    ] = "rows",
    format: Annotated[str, typer.Option(help="jsonl or parquet.")] = "jsonl",
    rows: Annotated[
        str, typer.Option(help="all of them, or those that are original, synthetic or mined.")
    ] = "all",
    verified: Annotated[
        bool,
        typer.Option(
            "--verified", help="Leave out rows whose label is unverified; the data's own stay."
        ),
    ] = False,
    run: RunOption = None,
    seed: SeedOption = None,
    round: Annotated[
        int | None,
        typer.Option(
            "--round", max=LARGEST, help="Exactly the rows of this round's fine-tune, of one seed."
        ),
    ] = None,
    licence: LicenceOption = None,
    replace: ReplaceOption = False,
    push: PushOption = None,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
) -> None:
    """Write the training rows of a run, with a card; `datasets` loads the folder."""
    from engine.cli.export.written import Source, write_data
    from engine.export import Wanted

    wanted = Wanted(
        layout=layout,  # type: ignore[arg-type]  # checked by export_data
        format=format,  # type: ignore[arg-type]
        rows=rows,  # type: ignore[arg-type]
        verified=verified,
        seed=seed,
        round=round,
        licence=licence,
    )
    write_data(
        Source(recipe, var or [], state, run, settings or []),
        to,
        wanted,
        replace=replace,
        push=push,
    )


@export_app.command("model")
def model(
    to: ToOption,
    recipe: RecipeOption = None,
    form: Annotated[str, typer.Option("--as", help="merged, adapter or gguf.")] = "merged",
    run: RunOption = None,
    seed: SeedOption = None,
    round: Annotated[
        int | None,
        typer.Option("--round", max=LARGEST, help="One of its rounds, not the best one."),
    ] = None,
    licence: LicenceOption = None,
    replace: ReplaceOption = False,
    push: PushOption = None,
    var: VarOption = None,
    settings: SetOption = None,
    state: StateOption = STATE,
) -> None:
    """Write the best model of a run, with a card, its prompt and a few lines of Python that ask it."""
    from engine.cli.export.written import Source, write_model

    source = Source(recipe, var or [], state, run, settings or [])
    write_model(source, to, form, seed, round, licence, replace=replace, push=push)
