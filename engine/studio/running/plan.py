"""The plan of a recipe: its nodes with state, reason and price, what all of it takes, and what a run still lacks."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from engine import gate
from engine.backends import BACKENDS
from engine.bounds import LARGEST
from engine.errors import EngineError, Problem, RecipeError
from engine.plan.explain import NodeState
from engine.plan.flow import host_of, key_of
from engine.plan.resources import Resources
from engine.project import Planned, Project
from engine.report.foreseen import foreseen
from engine.run.expected import NodeExpected
from engine.spec.extending.settings import assignment
from engine.stages import STAGES
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings
from engine.system.places import STATE

MOST_SETTINGS = 100
MOST_PARAMETERS = 40
LONGEST = 300
"""Characters of a parameter that are shown."""


class Wanted(NamedTuple):
    """What a page wants run: a recipe of the project, and what the command line's options say."""

    recipe: Path
    limit: int | None
    settings: tuple[str, ...]
    """`key=value`, as after `--set`."""


def wanted(settings: Settings, asked: Asked) -> Wanted:
    """Return what a page wants; raises EngineError for what no command line would take either."""
    recipe = recipe_file(settings, asked.text("recipe"))
    limit = asked.maybe_number("limit")
    if limit is not None and not 1 <= limit <= LARGEST:
        raise EngineError(f"limit: {limit} is no number of rows", "say 1 or more, or nothing")
    given = asked.body.get("settings", [])
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise EngineError("settings: a list of texts such as loop.rounds=2 is needed")
    if len(given) > MOST_SETTINGS:
        raise EngineError(f"settings: {len(given)} are too many", "write them into the recipe")
    for one in given:
        if "\0" in one:
            raise EngineError("settings: a text with a NUL in it", "leave it out")
        assignment(one)
    return Wanted(recipe, limit, tuple(given))


def command_line(want: Wanted, settings: Settings) -> list[str]:
    """Return what starts a run of it in a terminal, from the project's folder."""
    command = ["pada", "run", want.recipe.relative_to(settings.folder).as_posix()]
    for one in want.settings:
        command += ["--set", one]
    if settings.state.absolute() != (settings.folder / STATE).absolute():
        command += ["--state", str(settings.state.absolute())]
    return command if want.limit is None else [*command, "--limit", str(want.limit)]


def plan(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what a run would do now, as `pada plan` says it; or the problems that keep it from being planned."""
    want = wanted(settings, asked)
    values = dict(map(assignment, want.settings))
    try:
        project = Project.open(want.recipe, settings.state, limit=want.limit, settings=values)
        warnings = project.validate()
    except RecipeError as error:
        return {"problems": [_problem(one, settings) for one in error.problems], "nodes": []}
    planned = project.plan()
    expected = planned.expected
    return {
        "problems": [_problem(one, settings) for one in warnings],
        "recipe": project.loaded.recipe.name,
        "read_only": settings.read_only,
        "command": shlex.join(command_line(want, settings)),
        "nodes": [
            _node(one, expected.nodes.get(one.node.name), planned.resources)
            for one in planned.states
        ],
        "stages": described(one.node.stage for one in planned.states),
        "said": foreseen(expected.estimate, expected.minutes, evaluated=expected.evaluated),
        "total": _price(NodeExpected(expected.estimate, expected.minutes)),
        "asked": _asked(planned, project),
        "missing": _missing(project),
        "budget": project.loaded.recipe.budget.model_dump(exclude_none=True),
    }


def described(stages: Iterable[str]) -> dict[str, str]:
    """Return what each of the stages does, in a sentence; without those of another version of the engine."""
    return {name: STAGES[name].description for name in dict.fromkeys(stages) if name in STAGES}


def _problem(one: Problem, settings: Settings) -> dict[str, Any]:
    file, root = Path(one.where.file).absolute(), settings.folder.absolute()
    shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else one.where.file
    return {
        "where": str(replace(one.where, file=shown)),
        "level": one.level,
        "message": one.message,
        "hint": one.hint,
    }


def _node(one: NodeState, expected: NodeExpected | None, resources: Resources) -> dict[str, Any]:
    node = one.node
    identity = node.identity
    return {
        "name": node.name,
        "stage": node.stage,
        "seed": node.seed,
        "round": node.round,
        "attempt": node.attempt,
        "state": one.state,
        "because": one.because,
        "id": node.id,
        "inputs": list(dict.fromkeys(node.inputs.values())),
        "if_continuing": list(node.only_if_continuing),
        "if_final": list(node.only_if_final),
        "price": None if expected is None else _price(expected),
        "parameters": _parameters(identity.get("params", {})),
        "prompts": list(identity.get("prompts", {})),
        "models": {
            role: resources.models[role].name
            for role in identity.get("models", {})
            if role in resources.models
        },
    }


def _parameters(params: Mapping[str, Any]) -> list[list[str]]:
    """Return what decides a node's rows and is not as usual, in a few words each."""
    shown = []
    for name, value in list(params.items())[:MOST_PARAMETERS]:
        text = (
            value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
        )
        shown.append([name, text if len(text) <= LONGEST else f"{text[:LONGEST]} …"])
    return shown


def _price(expected: NodeExpected) -> dict[str, Any]:
    calls, tokens, money, unpriced, steps = expected.estimate
    return {
        "calls": [round(end) for end in calls],
        "tokens": [round(end) for end in tokens],
        "money": money,
        "unpriced": unpriced,
        "steps": steps,
        "minutes": expected.minutes,
    }


def _asked(planned: Planned, project: Project) -> list[dict[str, Any]]:
    """Return which models are asked, and where they are."""
    asked = {role for one in planned.states for role in one.node.identity.get("models", {})}
    return [
        {
            "role": role,
            "name": model.name,
            "host": host_of(model),
            "key": key_of(model),
            "later": BACKENDS[model.backend].deferred,
        }
        for role, model in planned.resources.models.items()
        if role in asked
    ]


def _missing(project: Project) -> list[dict[str, str]]:
    """Return what a run would be refused for, in the words in which it would be."""
    uses = project.keys
    base = project.loaded.base
    refused: Sequence[Any] = [use for use in uses if use.is_set and not gate.has_consent(use, base)]
    found = []
    if refused:
        message, hint = gate.refusal(refused, project.loaded.path)
        found.append({"what": message, "how": hint})
    found += [
        {
            "what": f"the variable {use.variable}, whose key goes to {use.address}, is not set here",
            "how": f"set {use.variable} in the terminal, and start `pada studio` there again",
        }
        for use in uses
        if not use.is_set
    ]
    return found
