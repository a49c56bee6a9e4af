"""What can be done with the student that a run keeps: the same words as at the end of `pada run` and of an export."""

from __future__ import annotations

from typing import Any

from engine.export.model.students import best_of
from engine.export.model.task_file import example_of
from engine.export.run import Which, find_run
from engine.export.telling import (
    DATA_FOLDER,
    MODEL_FOLDER,
    ask_command,
    ask_file_command,
    command,
    elsewhere,
    shown,
)
from engine.store import Stop, reader
from engine.studio.asked import Asked
from engine.studio.settings import Settings


def use(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the student that is kept, where it lies, and the commands of a terminal; none where none was trained."""
    state, run_id = settings.state, asked.path["run"]
    which = Which(state, run_id)
    student = best_of(which)
    if student is None:
        return {"student": None}
    with reader(state, stop=stop) as query:
        task = find_run(query, which).task
    of_run = ("--run", run_id)
    example = example_of({"kind": task.kind, "columns": task.input})
    return {
        "student": {
            "seed": student.seed,
            "round": student.round,
            "path": shown(student.path),
            "is_there": student.path.is_dir(),
        },
        "commands": [
            {
                "what": "Use it elsewhere",
                "command": command("export", "model", "--to", MODEL_FOLDER, *of_run, state=state),
            },
            {"what": "Then ask it", "command": ask_command(MODEL_FOLDER, example)},
            {"what": "Ask it a file", "command": ask_file_command(MODEL_FOLDER)},
            {
                "what": "Its training rows",
                "command": command("export", "data", "--to", DATA_FOLDER, *of_run, state=state),
            },
            {"what": "A report to hand on", "command": command("report", run_id, state=state)},
        ],
        "note": elsewhere("merged"),
    }
