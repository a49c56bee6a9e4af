"""`pada fmt` and `pada migrate`: files of recipes written anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

PlacesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILES|FOLDERS]", help="What to rewrite; the current folder when left out."
    ),
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit with 1 where a file would change.")
]
DiffOption = Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")]


def fmt(
    places: PlacesArgument = None, check: CheckOption = False, diff: DiffOption = False
) -> None:
    """Put the keys of recipes and their files in order, and write them in one way; comments stay.

    What a file says never changes: where it would, the file stays as it is.
    """
    from engine.authoring.formatting import formatted

    _rewrite(places or [Path()], formatted, "formatted", check=check, diff=diff)


def migrate(
    places: PlacesArgument = None, check: CheckOption = False, diff: DiffOption = False
) -> None:
    """Rewrite files of older formats into the one that this engine reads; comments stay.

    All files are rewritten, or none where one cannot be.
    """
    from engine.authoring.migration import migrated

    _rewrite(places or [Path()], migrated, "migrated", check=check, diff=diff)


def _rewrite(
    places: list[Path],
    change: Callable[[str, Path], str],
    done: str,
    *,
    check: bool,
    diff: bool,
) -> None:
    from engine.authoring.files import rewritten, write
    from engine.cli.terminal.streams import echo

    files = rewritten(places, change)
    changing = [file for file in files if file.changed]
    if diff:
        for file in changing:
            echo(file.diff().rstrip("\n") or f"{file.path}: line ends or byte order mark")
    if check or diff:
        for file in changing:
            echo(f"{file.path}: not {done}", error=True)
        if check and changing:
            raise typer.Exit(1)
    else:
        for path in write(files):
            echo(f"{path}: {done}")
    same = len(files) - len(changing)
    if not files:
        echo("no recipe and no file of one is here", error=True)
    elif not changing:
        echo(f"{same} {'file is' if same == 1 else 'files are'} {done} already", error=True)
