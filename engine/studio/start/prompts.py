"""Every prompt of a recipe for a row of one's own: as `pada show prompt` shows it, and nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import engine
from engine.errors import EngineError, Location
from engine.gate.roots import real
from engine.project import Project
from engine.rehearsal import sheet
from engine.rows import Example
from engine.spec.package_data import is_ours, shipped
from engine.stages import STAGES
from engine.store import Stop
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings

_MOST = 50
"""Rows of a search that are listed."""


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
        "stages": [{"name": name, "about": STAGES[name].description} for name in found.stages],
        "count": len(found.rows),
        "found": len(numbers),
        "rows": [_row(number, found.rows) for number in numbers[:_MOST]],
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
                **_file(settings, one.file),
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


def _file(settings: Settings, file: Path) -> dict[str, str]:
    """Return where a prompt comes from: its place, and whose it is."""
    if is_ours(file):
        ours = (shipped("prompts").parent.resolve(), Path(engine.__file__).parent)
        found = file.resolve()
        above = max((f for f in ours if found.is_relative_to(f)), key=lambda f: len(f.parts))
        return {"file": found.relative_to(above).as_posix(), "of": "the engine"}
    root, found = real(settings.folder), real(file)
    if found.is_relative_to(root):
        return {"file": found.relative_to(root).as_posix(), "of": "this project"}
    return {"file": Location.at(file).file, "of": "a package"}
