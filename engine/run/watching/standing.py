"""Reading how far the run of a state folder is: whether it works, has ended, or was killed, and what it told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from engine.gate import check_state
from engine.run.watching.live_file import FOLDER, LIVE
from engine.run.watching.processes import Process, Started
from engine.store import Holder, holder

STARTED = "started.json"
"""What was started last by somebody who does not wait for it."""
STOPPING = "stopping.json"
"""The process that was told last to stop."""
LARGEST = 20_000_000
"""Bytes of a file that is read here."""
TAIL = 40_000
"""Bytes that are read of what a run printed last."""
State = Literal["none", "starting", "running", "ended", "killed", "not begun"]


class Standing(NamedTuple):
    """What the run of a state folder is at."""

    state: State
    """none: nothing was ever said of one; starting: its process works, and the run has not begun; not begun: its
    process ended before the run began."""
    process: Process | None
    """Its process, or what was it; None where only the lock tells of one."""
    holder: Holder | None
    """Who holds the run lock."""
    live: Mapping[str, Any]
    """What it wrote last; while one starts, how far the run was that it goes on with."""
    log: str
    """The end of what it printed, where that was kept."""


def standing(state: Path) -> Standing:
    """Return what the run of a state folder is at; raises StoreError for a folder that is not this user's."""
    if not state.is_dir():
        return Standing("none", None, None, {}, "")
    check_state(state)
    # The lock first: what is written before it is let go is there when it is free.
    held = holder(state) if (state / "run.lock").exists() else None
    live = _read(state / FOLDER / LIVE)
    process = Process.read(live.get("process"))
    started = started_of(state)
    log = "" if started is None else _tail(state / FOLDER / started.log)
    if held is not None and process is not None and process.pid == held.pid:
        return Standing("running", process, held, live, _log_of(process, started, log))
    if started is not None and not _is_same(started.process, process):
        if started.process.lives:
            return Standing("starting", started.process, held, _before(started, live), log)
        if process is None or started.process.began > process.began:
            return Standing("not begun", started.process, held, {}, log)
    if held is not None:
        # A clean-up, an import, or a run that has just begun.
        return Standing("starting", None, held, {}, "")
    if process is None:
        return Standing("none", None, None, {}, "")
    ended: State = "killed" if live.get("ended") is None else "ended"
    return Standing(ended, process, None, live, _log_of(process, started, log))


def started_of(state: Path) -> Started | None:
    """Return what was started last by somebody who does not wait; None where nothing was."""
    found = _read(state / FOLDER / STARTED)
    process, log = Process.read(found.get("process")), str(found.get("log", ""))
    if process is None or Path(log).name != log:
        return None
    return Started(process, log, str(found.get("run", "")))


def _before(started: Started, live: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how far a run was that is gone on with; nothing of another one."""
    if not started.run or live.get("run") != started.run:
        return {}
    return {**live, "ended": None, "works": {}}


def is_stopping(state: Path, process: Process) -> bool:
    """Return whether a process was told to stop already."""
    return _is_same(process, Process.read(_read(state / FOLDER / STOPPING)))


def _is_same(one: Process, other: Process | None) -> bool:
    return other is not None and one.pid == other.pid and abs(one.began - other.began) < 1.0


def _log_of(process: Process, started: Started | None, log: str) -> str:
    return log if started is not None and _is_same(started.process, process) else ""


def _read(file: Path) -> dict[str, Any]:
    """Return the object in a file; nothing where it is not there or half of it is."""
    try:
        with file.open("rb") as stream:
            found = json.loads(stream.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - TAIL))
            return stream.read(TAIL).decode("utf-8", "replace")
    except OSError:
        return ""
