"""Every prompt of a recipe for a row of one's own: as `pada show prompt` shows it, and nothing is sent."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.errors import EngineError, Location
from engine.gate.roots import real
from engine.project import Project
from engine.rehearsal import sheet
from engine.rows import Example
from engine.store import Stop
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings

_MOST = 50
"""Rows of a search that are listed."""
_ABOUT = {
    "predict": "The small model is asked for its answer; the same turns are trained on.",
    "rate": "The judge gives an answer marks, where a metric asks for that.",
    "diagnose": "The teacher says why an answer is wrong.",
    "name": "The teacher names a group of diagnoses: a pattern.",
    "confirm": "The judge says which rows fall under a pattern, to see whether it is real.",
    "strategy": "The teacher writes how new rows could cure a pattern.",
    "mine_by_teacher": "The teacher labels rows of the pool.",
    "mine_by_judge": "The judge says whether rows of the pool fit.",
    "generate": "The teacher writes new rows.",
    "verify": "The judge answers a new row without being told its label.",
    "judge": "The judge gives a new row marks.",
}


def stages(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the stages of a recipe that ask a model, and its training rows that a search finds."""
    project = _project(settings, asked)
    found = project.rehearsable
    search = asked.text("search").casefold()
    numbers = [
        number
        for number, row in enumerate(found.rows, start=1)
        if not search
        or any(search in text.casefold() for text in (*row.inputs.values(), row.target))
    ]
    return {
        "stages": [{"name": name, "about": _ABOUT.get(name, "")} for name in found.stages],
        "count": len(found.rows),
        "found": len(numbers),
        "rows": [_row(number, found.rows) for number in numbers[:_MOST]],
        "random": random.choice(numbers) if numbers else None,  # nosec B311 # any row will do
    }


def prompt(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a stage would ask, with each of its prompts; of a training row where one was chosen."""
    project = _project(settings, asked)
    rehearsal = project.rehearse(asked.text("stage"), asked.maybe_number("row"))
    if not rehearsal.prompts:
        raise EngineError(
            f"with these rows the stage '{rehearsal.node.stage}' would ask nothing",
            "choose another row; or is there no failure by the recipe's `failure`, no operator for a pattern?",
        )
    return {
        "node": rehearsal.node.name,
        "stored": rehearsal.stored,
        "made_up": rehearsal.made_up,
        "unanswered": rehearsal.unanswered,
        "prompts": [
            {
                "sheet": one,
                "file": _file(settings, one.file),
                "turns": [{"role": turn.role, "content": turn.content} for turn in one.turns],
                "exact": one.tokens.exact,
                "tokens": one.tokens.tokens,
                "how": one.tokens.how,
            }
            for one in (sheet(project.resources, prompted) for prompted in rehearsal.prompts)
        ],
    }


def _project(settings: Settings, asked: Asked) -> Project:
    project = Project.open(recipe_file(settings, asked.text("recipe")), settings.state)
    project.validate()
    return project


def _row(number: int, rows: Sequence[Example]) -> dict[str, Any]:
    row = rows[number - 1]
    return {
        "number": number,
        "inputs": {name: short(text) for name, text in row.inputs.items()},
        "target": short(row.target),
    }


def _file(settings: Settings, file: Path) -> str:
    """Return where a prompt comes from: its place in the project, or in the engine."""
    root = real(settings.folder)
    found = real(file)
    return (
        found.relative_to(root).as_posix() if found.is_relative_to(root) else Location.at(file).file
    )
