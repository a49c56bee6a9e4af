"""What a recipe points at, made up: the same on every machine, and nothing is read but the engine's own files."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

from engine.backends import BACKENDS
from engine.operators import find_operators
from engine.plan.packs import choose
from engine.plan.resources import ROLES, Resources, RoleModel
from engine.rows import SPLITS
from engine.spec.method import Method, find_methods, read_method
from engine.spec.pack import find_packs, read_pack
from engine.spec.package_data import shipped
from engine.spec.prompts import PromptLibrary
from engine.spec.recipe import Recipe
from engine.spec.reply_schemas import Schema, SchemaLibrary
from engine.stages import STAGES

LIBRARY = PromptLibrary(shipped("recipes"))
SCHEMAS = SchemaLibrary(shipped("recipes"))
OPERATORS = find_operators(None)


def method(name: str) -> Method:
    """Return one of the engine's methods."""
    return read_method(find_methods()[name])


def role_model(recipe: Recipe, role: str, weights: str) -> RoleModel:
    """Return a role's model with the recipe's settings, whose weights have the digest `weights`."""
    spec = recipe.models.of(role)
    settings = BACKENDS[spec.backend].parse(spec.settings).model_dump(mode="json")
    return RoleModel(spec.backend, spec.model, weights, Path("/m"), settings)


def fake_resources(recipe: Recipe, **weights: str) -> Resources:
    """Return everything that a recipe points at; `weights` are digests by role, in place of those of all others."""
    packs = {
        role: read_pack(find_packs()[choose(recipe.models.of(role)).name])
        for role in ("teacher", "judge")
    }
    splits = Mock()
    splits.pool.digest.return_value = "the digest of the pool"
    read = [split for split in SPLITS if getattr(recipe.data, split).split_from is None]
    return Resources(
        prompts={
            **{name: LIBRARY.get(name) for name in LIBRARY.names()},
            **{
                name: LIBRARY.get(name, packs[stage.writer].name)
                for stage in STAGES.values()
                for name in stage.prompts
            },
            **{
                prompt.name: prompt
                for used in recipe.augment.operators
                if not OPERATORS[used.name].make
                for prompt in [OPERATORS[used.name].prompt(packs["teacher"].name)]
            },
        },
        data={split: f"the digest of {split}" for split in read},
        splits=splits,
        models={
            role: role_model(recipe, role, weights.get(role, f"the weights of the {role}"))
            for role in ROLES
        },
        method=method(recipe.loop.method),
        operators={used.name: OPERATORS[used.name] for used in recipe.augment.operators},
        packs=packs,
        schemas={
            name: SCHEMAS.get(name, packs[stage.writer].name)
            for stage in STAGES.values()
            for name in stage.replies
        },
    )


def reply_schema_of(name: str, pack: str = "small") -> Schema:
    """Return one of the engine's schemas of replies."""
    return SCHEMAS.get(name, pack)
