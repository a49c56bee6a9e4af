"""Starting a run, stopping it, and going on with it: the command line's own way, in a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import EngineError
from engine.run.watching import Started, standing
from engine.run.watching.control import command_of, start, stop
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.running.plan import wanted
from engine.studio.settings import Settings


def begin(settings: Settings, asked: Asked, _: Stop) -> dict[str, Any]:
    """Start `pada run` for a recipe of the project; raises EngineError where a run goes on already."""
    want = wanted(settings, asked)
    # With `=` and `--`: whatever is in them, a value stays a value and a name a name.
    arguments = ["run", f"--state={settings.state.absolute()}"]
    arguments += [f"--set={one}" for one in want.settings]
    arguments += [] if want.limit is None else [f"--limit={want.limit}"]
    return _said(
        start([*arguments, "--", str(want.recipe.absolute())], settings.state, settings.folder)
    )


def go_on(settings: Settings, asked: Asked, _: Stop) -> dict[str, Any]:
    """Start the command again that the last run of the state folder was; raises EngineError where it was none."""
    found = standing(settings.state)
    process = found.process
    command = [] if process is None else command_of(process)
    if process is None or not command:
        raise EngineError(
            "the last run here was not started by `pada run`, so it is not known how to go on with it",
            "start it again as it was started",
        )
    # The folder said first: what the command says itself counts for more, and means the same one.
    state = f"--state={settings.state.absolute()}"
    arguments = command if state in command else ["run", state, *command[1:]]
    folder = Path(process.folder)
    if not process.folder or not folder.is_dir():
        raise EngineError(
            f"the folder in which the run was started is gone: {process.folder or 'it has no name'}",
            "start it again from its recipe's plan",
        )
    run = str(found.live.get("run", ""))
    return _said(start(arguments, settings.state, folder, run))


def end(settings: Settings, asked: Asked, _: Stop) -> dict[str, Any]:
    """Stop the run that goes on, as Ctrl-C does; with `kill` at once."""
    pid = asked.number("pid", 0)
    kill = asked.body.get("kill") is True
    return {"pid": stop(settings.state, pid, kill=kill).pid}


def _said(started: Started) -> dict[str, Any]:
    return {"pid": started.process.pid}
