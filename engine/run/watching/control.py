"""Starting a run in a process of its own that nobody waits for, and ending one that goes on, whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from engine.errors import EngineError, RunError, reason_of
from engine.gate import check_state, own_state
from engine.run.watching.live_file import FOLDER
from engine.run.watching.processes import Process, Started
from engine.run.watching.standing import STARTED, STOPPING, is_stopping, standing
from engine.store import Holder, taken
from engine.system import locks
from engine.system.files import private, write_private

_LOCK = "start.lock"
_PATIENCE = 5.0
LOGS = 20
"""Files of what earlier runs printed that are kept."""


def start(arguments: Sequence[str], state: Path, folder: Path, run: str = "") -> Started:
    """Start `pada run` in a process of its own, which outlives this one; what it prints goes to a file.

    Args:
        arguments: What follows `pada`, as on a command line: no shell reads them.
        state: Its state folder, made where it is not there.
        folder: The current folder of the process.
        run: Id of the run that it goes on with, where that is known.

    Raises:
        RunError: a run goes on there, or is about to.
        EngineError: the state folder is not this user's, or the process cannot be started.
    """
    own_state(state)
    place = state / FOLDER
    try:
        with private(), locks.hold(_made(place) / _LOCK, _PATIENCE):
            _refuse_second(state)
            log = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{time.monotonic_ns() % 10**6:06d}.log"
            started = Started(_process(arguments, place / log, folder), log, run)
            write_private(
                place / STARTED,
                json.dumps({"process": started.process.stored, "log": started.log, "run": run}),
            )
            _forget_old(place)
    except locks.HeldError as held:
        raise RunError(
            f"another run is being started in {state}, by process {held.holder.pid}", "try again"
        ) from None
    except OSError as error:
        raise EngineError(
            f"the run cannot be started in {state}: {reason_of(error)}",
            "see that the folder can be written and its disk has room; nothing was begun",
        ) from error
    return started


def _made(place: Path) -> Path:
    place.mkdir(mode=0o700, exist_ok=True)
    return place


def _refuse_second(state: Path) -> None:
    found = standing(state)
    if found.holder is not None:
        raise taken(state, found.holder)
    if found.state == "starting" and found.process is not None:
        raise taken(state, Holder(found.process.pid, "being started"))


def _process(arguments: Sequence[str], log: Path, folder: Path) -> Process:
    """Start a process in a session of its own: what ends this one's terminal does not reach it."""
    # Without -P the current folder, which may be anybody's, would be looked at for modules first.
    command = [sys.executable, "-P", "-u", "-m", "engine.cli", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PADA_STATE"}
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as stream:
        running = subprocess.Popen(
            command, cwd=folder, env={**environment, "COLUMNS": "120"}, stdin=subprocess.DEVNULL, stdout=stream,
            stderr=stream, start_new_session=True,
        )  # fmt: skip
    # Who has ended stays in the system's list until somebody asks how.
    threading.Thread(target=running.wait, daemon=True).start()
    return Process.of(running.pid, tuple(arguments), str(folder.absolute()))


def _forget_old(place: Path) -> None:
    for log in sorted(place.glob("*.log"))[:-LOGS]:
        with contextlib.suppress(OSError):
            log.unlink()


def stop(state: Path, pid: int, *, kill: bool = False) -> Process:
    """End the run that goes on in a state folder, as Ctrl-C does; with `kill` at once, which loses what is under way.

    Args:
        state: The state folder.
        pid: The process that is meant: what was shown to whoever says so.
        kill: Whether it gets no chance to end by itself.

    Raises:
        RunError: no run goes on there, or another one, or its process is no command of ours.
        StoreError: the folder is not this user's.
    """
    check_state(state)
    found = standing(state)
    process = found.process
    if found.state not in ("running", "starting") or (process is None and found.holder is None):
        raise RunError(f"no run is going on in {state}", "it has ended already")
    if process is None or process.pid != pid or not process.lives:
        raise RunError(
            f"process {pid} is not the run that goes on in {state}",
            "look again: another one may have begun",
        )
    if not process.is_pada:
        raise RunError(
            f"the run in {state} was started by a program of yours (process {pid}), not by `pada`",
            "stop it there: ending the whole program could lose other work of it",
        )
    if not kill and is_stopping(state, process):
        raise RunError(
            f"process {pid} was told to stop already, and stops as soon as it can",
            "wait for it: told again, it could lose what it is bringing to an end",
        )
    try:
        process.kill() if kill else process.interrupt()
        with contextlib.suppress(OSError):
            write_private(state / FOLDER / STOPPING, json.dumps(process.stored))
    except ProcessLookupError:
        raise RunError(f"no run is going on in {state}", "it has just ended") from None
    except OSError as error:
        raise RunError(f"process {pid} cannot be stopped: {reason_of(error)}") from error
    return process


def command_of(process: Process) -> list[str]:
    """Return what goes on with a run that a process was: the same command; nothing where it was none that can."""
    is_run = process.is_pada and bool(process.argv) and process.argv[0] == "run"
    return list(process.argv) if is_run else []
