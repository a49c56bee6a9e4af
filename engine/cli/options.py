"""Arguments and options that several verbs of `pada` take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.bounds import LARGEST
from engine.system.places import STATE

RecipeArgument = Annotated[
    str,
    typer.Argument(
        help="Recipe file, its folder, a name in the project's recipes, package/path, or a shipped recipe's name."
    ),
]
VarOption = Annotated[
    list[str] | None,
    typer.Option(
        "--var", metavar="NAME=VALUE", help="Value for ${name} in the recipe. Repeatable."
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Value of a key of the recipe, such as loop.rounds=2 or metrics.0.name=f1. Repeatable.",
    ),
]


def _of_project(context: typer.Context, value: Path) -> Path:
    """Return the state folder: the project's where the user named none."""
    source = context.get_parameter_source("state")
    if context.resilient_parsing or source is None or source.name != "DEFAULT":
        return value
    from engine.spec.repository import state_folder

    return state_folder()


StateOption = Annotated[
    Path,
    typer.Option(
        "--state",
        help="Folder of the store and the trained models; the project's when left out.",
        envvar="PADA_STATE",
        callback=_of_project,
    ),
]
OwnStateOption = Annotated[
    Path | None, typer.Option("--state", help="Folder of the store and the trained models.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object per line, and nothing else.")
]
RawOption = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="With --csv: leave texts as they are, also what a spreadsheet takes for a formula.",
    ),
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, max=LARGEST, help="Keep at most this many rows of each split.")
]
GpusOption = Annotated[
    str | None,
    typer.Option("--gpus", metavar="1,4,16", help="Forecast the run for so many GPUs."),
]
GpuPriceOption = Annotated[
    float | None, typer.Option("--gpu-price", help="What an hour of one GPU costs.")
]
GpuSpeedOption = Annotated[
    float,
    typer.Option(
        "--gpu-speed", help="How many times as fast one is as what the finished steps ran on."
    ),
]
ForecastOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Print the forecast alone, one JSON object per line for each --gpus."
    ),
]

__all__ = [
    "STATE",
    "ForecastOption",
    "GpuPriceOption",
    "GpuSpeedOption",
    "GpusOption",
    "JsonOption",
    "LimitOption",
    "OwnStateOption",
    "RawOption",
    "RecipeArgument",
    "SetOption",
    "StateOption",
    "VarOption",
]
