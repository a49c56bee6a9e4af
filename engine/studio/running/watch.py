"""How far the run of the state folder is: what pages ask each second while one goes on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from engine.fingerprint import short
from engine.run.watching import Standing, standing
from engine.run.watching.control import command_of
from engine.run.watching.standing import is_stopping
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.running.plan import described
from engine.studio.settings import Settings
from engine.system.log_file import without_keys

WHOLE = ("nodes", "told", "warned")
"""What only the page of the run itself shows."""
LOG_LINES = 80
FEW = 5


def watch(settings: Settings, asked: Asked, _: Stop) -> dict[str, Any]:
    """Return how far the run is; without nodes and lines where `whole` is not said.

    `mark` stands for the answer: where `seen` is the same one, there is nothing new, and nothing else is sent.
    """
    found = standing(settings.state)
    whole = asked.text("whole") == "1"
    stopping = found.process is not None and is_stopping(settings.state, found.process)
    live = found.live
    mark = short([found.state, live.get("serial"), live.get("run"), found.log, whole, stopping])
    if asked.text("seen") == mark:
        return {"mark": mark, "same": True}
    # What servers answer is in what a run tells, and a server may send a key back.
    said: dict[str, Any] = without_keys(_said(settings, found, whole))
    return {"mark": mark, "same": False, "stopping": stopping, **said}


def _said(settings: Settings, found: Standing, whole: bool) -> dict[str, Any]:
    live, process = found.live, found.process
    states = _states(found)
    counts = Counter(states.values())
    command = command_of(process) if process is not None else []
    ended = live.get("ended")
    return {
        "state": found.state,
        "pid": process.pid if process is not None else found.holder.pid if found.holder else 0,
        "can_stop": process is not None and process.is_pada,
        "run": str(live.get("run") or (found.holder.run if found.holder else "")),
        "recipe": str(live.get("recipe", "")),
        "began": live.get("began"),
        "written": live.get("written"),
        "read_only": settings.read_only,
        "current": [name for name, state in states.items() if state == "running"][:FEW],
        "seeds": len({node.get("seed") for node in live.get("nodes") or ()}),
        "over": sum(counts[one] for one in ("done", "cached", "skipped")),
        "total": len(live.get("nodes") or ()),
        "works": live.get("works") or {},
        "spent": live.get("spent"),
        "budget": live.get("budget") or {},
        "ended": ended if isinstance(ended, Mapping) else None,
        "can_go_on": bool(command) and _is_unfinished(found),
        "command": shlex.join(["pada", *command]) if command else "",
        "rows": _rows(command),
        "settings": _after(command, "--set"),
        "folder": process.folder if process is not None else "",
        "import_command": shlex.join(
            ["pada", "batch", "import", "RESULTS", "--state", str(settings.state.absolute())]
        ),
        "log": found.log.splitlines()[-LOG_LINES:] if whole or found.state == "not begun" else [],
        **(_whole(live, states) if whole else {}),
    }


def _whole(live: Mapping[str, Any], states: Mapping[str, str]) -> dict[str, Any]:
    """Return what only the page of the run itself shows."""
    stages = described(str(node.get("stage")) for node in live.get("nodes") or ())
    places: Mapping[str, Any] = live.get("places") or {}
    return {
        **{one: live.get(one) or [] for one in WHOLE},
        "states": states,
        "stages": stages,
        # Of a run that ended nobody works on anything.
        "places": {name: place for name, place in places.items() if states.get(name) == "running"},
    }


def _rows(command: Sequence[str]) -> str:
    """Return the most rows of a split that a command takes; empty for all of them."""
    return next(iter(_after(command, "--limit")[-1:]), "")


def _after(command: Sequence[str], option: str) -> list[str]:
    """Return what is said after an option of a command, in either way of saying it."""
    options = list(command)[: command.index("--")] if "--" in command else list(command)
    found = []
    for place, word in enumerate(options):
        if word == option and place + 1 < len(options):
            found.append(options[place + 1])
        elif word.startswith(f"{option}="):
            found.append(word.removeprefix(f"{option}="))
    return found


def _states(found: Standing) -> Mapping[str, str]:
    """Return what became of the nodes; one that was under way when the run ended is to be done still."""
    states: Mapping[str, str] = found.live.get("states") or {}
    if found.state == "running":
        return states
    return {name: "pending" if state == "running" else state for name, state in states.items()}


def _is_unfinished(found: Standing) -> bool:
    """Return whether the same command would go on: the run is not done, and does not go on now."""
    if found.state in ("killed", "not begun"):
        return True
    ended = found.live.get("ended")
    return found.state == "ended" and isinstance(ended, Mapping) and ended.get("status") != "done"
