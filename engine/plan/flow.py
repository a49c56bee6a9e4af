"""flow: which fields of which rows, and which keys, go to which host, from the plan's nodes and their prompts.

A prompt that does not use a variable does not send it; one that uses a variable unknown here is named with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine import gate, servers
from engine.backends import BACKENDS
from engine.errors import EngineError
from engine.gate import KeyUse
from engine.plan.benchmark import place_of
from engine.plan.graph import Node, Plan
from engine.plan.resources import ROLES, Resources, RoleModel
from engine.servers import key_use, parse_key_use
from engine.spec.loader import LoadedRecipe
from engine.spec.recipe import Augment, Recipe
from engine.stages import STAGES
from engine.stages.evaluate.predict import SHOWN
from engine.stages.protocol import ALWAYS

_OURS = {"description"}
"""Variables with the recipe's own text."""


class Flow(NamedTuple):
    """What one role's model is sent in one kind of work."""

    stage: str
    what: str


def flows(plan: Plan, resources: Resources, recipe: Recipe) -> dict[str, list[Flow]]:
    """Return what each role's model is sent, by the stages of the plan in its order."""
    words = {
        "inputs": ", ".join(recipe.task.input),
        "target": recipe.task.target,
        "candidates": _candidates(recipe.augment),
    }
    contents: dict[str, dict[str, dict[str, None]]] = {role: {} for role in ROLES}
    for node in plan.nodes.values():
        stage = STAGES[node.stage]
        for role in stage.asks:
            if role in stage.skips(node.params):
                continue
            parts = [stage.embeds] if role == "embedder" else _prompted(node, resources)
            fields = contents[role].setdefault(node.stage, {})
            fields.update((part.format(**words), None) for part in parts if part)
    return {
        role: [Flow(stage, ", ".join(parts)) for stage, parts in stages.items()]
        for role, stages in contents.items()
    }


def _candidates(augment: Augment) -> str:
    """Return what candidates are: rows of a pool pass all that generated ones pass, and are shown as they are."""
    kinds = [
        *(["generated rows"] if augment.operators or augment.mine is None else []),
        *(["rows of the pool"] if augment.mine is not None else []),
    ]
    return " and ".join(kinds)


def _prompted(node: Node, resources: Resources) -> Sequence[str]:
    """Return what the node's prompts carry, in the order of its stage's table, then what the table does not know."""
    used = {name for prompt in node.prompts for name in resources.prompts[prompt].variables}
    stage = STAGES[node.stage]
    known = stage.sends(node.params)
    sent = [text for name, text in known.items() if name in used or name == ALWAYS]
    others = sorted(used - known.keys() - _OURS)
    # Braces of a variable's name cannot occur: Jinja would have refused it.
    return [*sent, *(f"its variable '{name}'" for name in others)]


class Timed(NamedTuple):
    """What a benchmark sends, and where."""

    model: str
    host: str
    key: str
    """Name of the environment variable that holds the key; empty where none is needed."""
    what: str


def timed(resources: Resources, recipe: Recipe) -> Timed | None:
    """Return what the recipe's benchmark sends to which host; None without one."""
    benchmark = recipe.benchmark
    if benchmark is None:
        return None
    student = resources.models["student"]
    place = place_of(benchmark, student)
    requests = benchmark.requests * len(benchmark.concurrency)
    what = (
        f"{benchmark.split} rows ({', '.join(recipe.task.input)}), {requests:,} requests each time"
    )
    if recipe.task.shots:
        what += f", {SHOWN.format(target=recipe.task.target)}"
    if place is None:
        return Timed(student.name, "a server on this machine", "", what)
    return Timed(place.model, servers.way_to(place.base_url), place.key or "", what)


def host_of(model: RoleModel) -> str:
    """Return where a model's calls go: a server's host and port, a file, or this machine."""
    backend = BACKENDS[model.backend]
    if backend.deferred:
        return "a file of requests, answered outside"
    return backend.host(backend.parse(model.settings)) if backend.host else "this machine"


def key_of(model: RoleModel) -> str:
    """Return the names of the environment variables that hold a model's keys; empty where it needs none."""
    backend = BACKENDS[model.backend]
    return ", ".join(backend.secrets(backend.parse(model.settings)))


def key_uses(plan: Plan, resources: Resources, recipe: Recipe) -> list[KeyUse]:
    """Return what a run of the plan sends, each pair once; nothing that stays on this machine."""
    asked = {
        role
        for node in plan.nodes.values()
        for role in STAGES[node.stage].asks
        if role not in STAGES[node.stage].skips(node.params)
    }
    models = (model for role, model in resources.models.items() if role in asked)
    uses = [use for model in models for use in uses_of(model)]
    measured = measured_use(resources, recipe)
    return list(dict.fromkeys([*uses, *([measured] if measured else [])]))


def uses_of(model: RoleModel) -> list[KeyUse]:
    """Return what calls of a model send."""
    backend = BACKENDS[model.backend]
    if backend.address is None:
        return []
    settings = backend.parse(model.settings)
    address = backend.address(settings)
    uses = (key_use(variable, address) for variable in backend.secrets(settings))
    return [use for use in uses if use is not None]


def measured_use(resources: Resources, recipe: Recipe) -> KeyUse | None:
    """Return what the recipe's benchmark sends; None where it sends no key, or none that leaves this machine."""
    if recipe.benchmark is None:
        return None
    place = place_of(recipe.benchmark, resources.models["student"])
    return None if place is None or place.key is None else key_use(place.key, place.base_url)


def require_consent(uses: Sequence[KeyUse], trust: Sequence[str], loaded: LoadedRecipe) -> None:
    """Refuse to go on where a key would go where the user has not said it may.

    Args:
        uses: What is sent.
        trust: What holds for this process besides, as `NAME=ADDRESS`.
        loaded: The recipe that says so.

    Raises:
        EngineError: such a key is set, or `trust` says nothing of a key.
    """
    trusted = [use for text in trust if (use := parse_key_use(text)) is not None]
    gate.grant_keys(trusted, loaded.base)
    sent = [use for use in uses if use.is_set]
    if missing := [use for use in sent if not gate.has_consent(use, loaded.base)]:
        raise EngineError(*gate.refusal(missing, loaded.path))
    # Also for who sends without knowing for which recipe, as a benchmark does.
    gate.grant_keys(sent, loaded.base)
