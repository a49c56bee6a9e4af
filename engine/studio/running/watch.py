"""How far the run of the state folder is: what pages ask each second while one goes on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from typing import Any

from engine.fingerprint import short
from engine.run.watching import Standing, standing
from engine.run.watching.control import command_of
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.settings import Settings

WHOLE = ("nodes", "states", "told", "warned")
"""What only the page of the run itself shows."""
LOG_LINES = 80
FEW = 5


def watch(settings: Settings, asked: Asked, _: Stop) -> dict[str, Any]:
    """Return how far the run is; without nodes and lines where `whole` is not said.

    `mark` stands for the answer: where `seen` is the same one, there is nothing new, and nothing else is sent.
    """
    found = standing(settings.state)
    whole = asked.text("whole") == "1"
    mark = short([found.state, found.live.get("serial"), found.live.get("run"), found.log, whole])
    if asked.text("seen") == mark:
        return {"mark": mark, "same": True}
    return {"mark": mark, "same": False, **_said(settings, found, whole)}


def _said(settings: Settings, found: Standing, whole: bool) -> dict[str, Any]:
    live, process = found.live, found.process
    states: Mapping[str, str] = live.get("states") or {}
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
        "folder": process.folder if process is not None else "",
        "import_command": shlex.join(
            ["pada", "batch", "import", "RESULTS", "--state", str(settings.state.absolute())]
        ),
        "log": found.log.splitlines()[-LOG_LINES:] if whole or found.state == "not begun" else [],
        **({one: live.get(one) or [] for one in WHOLE} if whole else {}),
    }


def _is_unfinished(found: Standing) -> bool:
    """Return whether the same command would go on: the run is not done, and does not go on now."""
    if found.state in ("killed", "not begun"):
        return True
    ended = found.live.get("ended")
    return found.state == "ended" and isinstance(ended, Mapping) and ended.get("status") != "done"
