"""`pada studio`: the arguments alone; `command` prints where the studio is open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import OwnStateOption


def studio(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="[FOLDER]", help="The project, with its recipes; here when left out."
        ),
    ] = Path(),
    state: OwnStateOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes one that is free.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and open nothing.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Refuse whatever would change something.")
    ] = False,
) -> None:
    """Look at runs in the browser: scores, patterns, rows, calls, SQL. Stays on this machine."""
    from engine.cli.studio.command import studio_command

    studio_command(folder, state, port, browser=not no_browser, read_only=read_only)


__all__ = ["studio"]
