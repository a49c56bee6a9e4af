"""`pada studio` at work: says where it is open, and opens a browser there."""

from __future__ import annotations

import os
import threading
import webbrowser
from pathlib import Path

from rich.console import Console

from engine.cli.terminal.ending import report_bug
from engine.cli.terminal.output import make_console, say
from engine.errors import EngineError
from engine.gate import check_state
from engine.store import FILE
from engine.studio import Address, Settings, serve
from engine.system.places import STATE


def studio_command(
    folder: Path,
    state: Path | None,
    port: int,
    *,
    browser: bool,
    read_only: bool,
    console: Console | None = None,
    errors: Console | None = None,
) -> None:
    """Open the studio and answer until Ctrl-C; the address goes to standard output, all else to standard error.

    Raises:
        EngineError: no such folder, a state folder of somebody else, a library that is missing, a port that is taken.
    """
    console, errors = console or make_console(), errors or make_console(stderr=True)
    if not folder.is_dir():
        raise EngineError(f"{folder}: there is no such folder", "name the folder of your recipes")
    named = state or (Path(given) if (given := os.environ.get("PADA_STATE")) else None)
    settings = Settings(named or folder / STATE, folder, read_only)
    if (settings.state / FILE).exists():
        check_state(settings.state)

    def opened(address: Address) -> None:
        say(console, address.url)
        may = (
            "read it, and change nothing" if read_only else "read it, change recipes and start runs"
        )
        say(
            errors,
            f"The studio shows {settings.state}. Whoever has this address can {may}. Ctrl-C ends it.",
        )
        if browser:
            # A text browser would take the terminal: it is opened beside the server, not before it.
            threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()

    serve(settings, port, opened, lambda error: say(errors, report_bug(error)))
