"""Which keys a plan sends to which servers: those of the roles that are asked, and of the server that is measured."""

from __future__ import annotations

from collections.abc import Container

from engine.backends import BACKENDS
from engine.gate import KeyUse
from engine.plan.benchmark import place_of
from engine.plan.graph import Plan
from engine.plan.resources import Resources, RoleModel
from engine.servers import key_use
from engine.spec.recipe import Recipe
from engine.stages import STAGES


def key_uses(plan: Plan, resources: Resources, recipe: Recipe) -> list[KeyUse]:
    """Return what a run of the plan sends, each pair once; nothing that stays on this machine."""
    asked = {
        role
        for node in plan.nodes.values()
        for role in STAGES[node.stage].asks
        if role not in STAGES[node.stage].skips(node.params)
    }
    uses = uses_of_roles(resources, asked)
    measured = measured_use(resources, recipe)
    return list(dict.fromkeys([*uses, *([measured] if measured else [])]))


def uses_of_roles(resources: Resources, roles: Container[str]) -> list[KeyUse]:
    """Return what calls of some roles send."""
    models = (model for role, model in resources.models.items() if role in roles)
    return [use for model in models for use in uses_of(model)]


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
