"""A preview of a recipe: `pada preview` with five rows, in a process of its own, whose result stays to be looked at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import gate
from engine.errors import EngineError, RecipeError, reason_of
from engine.fingerprint import short as digest
from engine.gate.roots import real
from engine.plan.flow import host_of
from engine.plan.resources import Resources
from engine.project import Project
from engine.report.facts.collect import find_run
from engine.report.facts.generation import collect_drops
from engine.report.facts.spend import collect_calls
from engine.report.foreseen import foreseen
from engine.report.runs import list_runs
from engine.run.batches import refuse_waiting
from engine.run.watching import standing
from engine.run.watching.control import start, stop
from engine.store import FILE, Stop, reader
from engine.studio.asked import Asked
from engine.studio.explore.row import call, row
from engine.studio.recipes import recipe_file
from engine.studio.running.watch import watch
from engine.studio.settings import Settings
from engine.studio.uploads import FOLDER, workroom
from engine.system.files import write_private

ROWS = 5
STEPS = 4
_ABOUT = "preview.json"
_MOST = 12
"""Generated rows that are shown."""
_EXAMPLES = (
    "SELECT DISTINCT id FROM example WHERE split = 'validation' AND run = ? ORDER BY id LIMIT ?"
)
_CANDIDATES = (
    "SELECT candidate AS id FROM all_lineage WHERE run = ?"
    " ORDER BY accepted DESC, round, attempt, candidate LIMIT ?"
)


def planned(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a preview would ask and cost before it is started, or why there can be none."""
    file = recipe_file(settings, asked.text("recipe"))
    try:
        small = _small(settings, file)
        refuse_waiting(small.loaded)
    except RecipeError as error:
        return {"problems": error.problems, "refused": None}
    except EngineError as error:
        return {"problems": [], "refused": {"message": error.message, "hint": error.hint}}
    plan = small.plan()
    missing = [use for use in small.keys if not gate.has_consent(use, small.loaded.base)]
    refusal = gate.refusal(missing, small.loaded.path) if missing else None
    expected = plan.expected
    return {
        "problems": [],
        "refused": {"message": refusal[0], "hint": refusal[1]} if refusal else None,
        "said": foreseen(expected.estimate, expected.minutes, evaluated=expected.evaluated)[:1],
        "models": _models(plan.resources),
        "rows": ROWS,
        "steps": STEPS,
        "version": small.loaded.recipe.version,
        "mark": _mark(small),
        "read_only": settings.read_only,
    }


def _models(resources: Resources) -> list[dict[str, str]]:
    return [
        {"role": role, "name": model.name, "backend": model.backend, "host": host_of(model)}
        for role, model in resources.models.items()
    ]


def begin(settings: Settings, asked: Asked, _: Stop) -> dict[str, Any]:
    """Start a preview; what an earlier one of the recipe left goes. Raises EngineError where one goes on."""
    file = recipe_file(settings, asked.text("recipe"))
    small = _small(settings, file)
    refuse_waiting(small.loaded)
    workroom(settings.state)
    state = _state(settings, asked)
    if standing(state).state in ("running", "starting"):
        raise EngineError(
            "a preview of this recipe is going on", "stop it first, or wait for its end"
        )
    about = {"mark": _mark(small), "version": small.loaded.recipe.version, "rows": ROWS}
    try:
        if state.exists():
            shutil.rmtree(state)
            gate.disown(state)
        write_private(state / _ABOUT, json.dumps(about))
    except OSError as error:
        raise EngineError(
            f"{state} cannot be written: {reason_of(error)}",
            "check its permissions and the free space",
        ) from error
    arguments = ["preview", f"--rows={ROWS}", f"--steps={STEPS}", f"--keep={state}"]
    started = start([*arguments, "--", str(file.absolute())], state, settings.folder)
    return {"pid": started.process.pid}


def end(settings: Settings, asked: Asked, _: Stop) -> dict[str, Any]:
    """Stop a preview, as Ctrl-C does."""
    recipe_file(settings, asked.text("recipe"))
    return {"pid": stop(_state(settings, asked), asked.number("pid", 0)).pid}


def seen(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return how far the preview of a recipe is, and of which version of the recipe it is."""
    recipe_file(settings, asked.text("recipe"))
    state = _state(settings, asked)
    found = watch(replace(settings, state=state), asked, stop)
    return {**found, "about": _about(state)}


def result(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what came of a preview: rows with answers, diagnoses and patterns; new rows with their verdicts."""
    recipe_file(settings, asked.text("recipe"))
    state = _state(settings, asked)
    runs = list_runs(state) if (state / FILE).exists() else []
    if not runs:
        return {"run": None, "about": _about(state)}
    run = runs[-1].id
    with reader(state, stop=stop) as query:
        examples = query(_EXAMPLES, [run, ROWS])
        candidates = query(_CANDIDATES, [run, _MOST])
        drops = collect_drops(query, run)
        calls = collect_calls(query, run, find_run(query, run)[1])
    there = replace(settings, state=state)

    def story(item: str) -> Mapping[str, Any]:
        return row(there, Asked({"run": run, "row": item}), stop)

    return {
        "run": run,
        "status": runs[-1].status,
        "about": _about(state),
        "examples": [story(one["id"]) for one in examples],
        "generated": [story(one["id"]) for one in candidates],
        "drops": drops,
        "calls": calls,
    }


def one_call(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return one call of a preview, with its whole prompt."""
    recipe_file(settings, asked.text("recipe"))
    return call(replace(settings, state=_state(settings, asked)), asked, stop)


def _small(settings: Settings, file: Path) -> Project:
    project = Project.open(file, settings.state)
    project.validate()
    return project.small(ROWS, STEPS, settings.state / FOLDER)


def _mark(small: Project) -> str:
    """Return what tells versions of a recipe apart: all that decides the rows of its preview."""
    return digest(sorted(small.nodes))


def _state(settings: Settings, asked: Asked) -> Path:
    """Return the state folder of a recipe's preview."""
    return real(settings.state) / FOLDER / f"preview-{digest(asked.text('recipe'))[:16]}"


def _about(state: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((state / _ABOUT).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
