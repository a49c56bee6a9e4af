"""What a recipe points at, looked up and hashed: prompts, operators, data, models.

The one part of planning that reads files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from engine import models
from engine.backends import BACKENDS
from engine.backends.entry import Serving
from engine.backends.protocol import Message, Request
from engine.backends.serving import vllm_worker
from engine.data.splits import Splits, read_splits
from engine.operators import Operator, find_operators
from engine.plan.building.reviews import NONE, Reviews
from engine.plan.graph import UNFETCHED
from engine.plan.packs import packs_of, thinking_tokens
from engine.spec.loader import LoadedRecipe
from engine.spec.method import Method
from engine.spec.pack import Pack
from engine.spec.prompts import Prompt, PromptLibrary
from engine.spec.recipe import ModelSpec, Recipe
from engine.spec.reply_schemas import Schema, SchemaLibrary
from engine.stages import STAGES
from engine.stages.schemas import token_limit
from engine.tasks import TASKS

ROLES = ("student", "teacher", "judge", "embedder")


@dataclass(frozen=True, slots=True)
class RoleModel:
    """The model behind a role, and its path if it is local."""

    backend: str
    name: str
    identity: str
    path: Path | None
    settings: Mapping[str, Any]
    """The backend's settings, defaults included."""
    thinking_tokens: int = 0
    """Tokens that a reply may spend on thinking."""
    serving: Serving | None = None
    """Of a student: whether and how vLLM answers for it."""

    @property
    def identity_settings(self) -> dict[str, Any]:
        """The settings that change replies."""
        return BACKENDS[self.backend].identity_settings(self.settings)

    def request(
        self,
        prompt: Prompt,
        variables: Mapping[str, Any],
        schema: Mapping[str, Any],
        temperature: float = 0.0,
    ) -> Request:
        """Build one request; its token limit is what the schema's bounds need, and the room to think."""
        messages = tuple(Message(role, text) for role, text in prompt.render(variables))
        limit, thinking = token_limit(schema) + self.thinking_tokens, self.thinking_tokens
        return Request(
            messages, schema, limit, temperature, self.identity, thinking_tokens=thinking
        )


@dataclass(frozen=True, slots=True)
class GivenAdapter:
    """The adapter of a student that exists already."""

    folder: Path
    digest: str
    """Over its files."""
    r: int = 0
    """Its rank."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything outside the recipe that decides its results."""

    prompts: Mapping[str, Prompt]
    data: Mapping[str, str]
    """Split -> digest of its rows; a split that takes rows from another has none of its own."""
    splits: Splits
    """The rows themselves."""
    models: Mapping[str, RoleModel]
    method: Method
    """How the loop runs."""
    operators: Mapping[str, Operator]
    """The operators that the recipe uses, by name."""
    packs: Mapping[str, Pack]
    """How teacher and judge are talked to."""
    schemas: Mapping[str, Schema]
    """Schemas of replies, by name."""
    adapter: GivenAdapter | None = None
    """The student's, where it exists already."""
    reviews: Reviews = NONE
    """What people say of rows."""

    @property
    def writers_told(self) -> frozenset[str]:
        """What the prompts of the recipe's operators use."""
        pack = self.packs["teacher"].name
        asking = (one for one in self.operators.values() if one.make is None)
        return frozenset(v for one in asking for v in one.prompt(pack).variables)


def task_prompt(loaded: LoadedRecipe) -> str:
    """Return the name of the student's prompt."""
    task = loaded.recipe.task
    return task.prompt or TASKS[task.kind].prompt


def gather(
    loaded: LoadedRecipe,
    splits: Splits | None = None,
    reviews: Reviews = NONE,
    *,
    with_data: bool = True,
    unasked: Mapping[str, str] = MappingProxyType({}),
) -> Resources:
    """Look everything up; a model that is not on this machine yet has the identity `unfetched:<name>`.

    Args:
        loaded: The recipe.
        splits: Its rows, where they were read already.
        reviews: What people say of its rows.
        with_data: False where the rows need not be here: nothing is said of them then.
        unasked: Role -> identity of models that are not asked, and need not be on this machine.

    Raises:
        RecipeError: a prompt, a source of the data or the method cannot be used.
        ModelError: weights or an adapter cannot be read.
    """
    recipe = loaded.recipe
    library, replies, packs = (
        PromptLibrary(loaded.base, loaded.further),
        SchemaLibrary(loaded.base, loaded.further),
        packs_of(loaded),
    )
    students = [task_prompt(loaded), *([recipe.train.prompt] if recipe.train.prompt else [])]
    known = find_operators(loaded.base, recipe.augment.operator_folders, loaded.further)
    operators = {used.name: known[used.name] for used in recipe.augment.operators}
    prompts = {name: library.get(name) for name in dict.fromkeys(students)}
    schemas: dict[str, Schema] = {}
    for stage in STAGES.values():
        pack = packs[stage.writer].name
        prompts |= {name: library.get(name, pack) for name in stage.prompts}
        schemas |= {name: replies.get(name, pack) for name in stage.replies}
    for operator in operators.values():
        if operator.make is None:
            prompt = operator.prompt(packs["teacher"].name)
            prompts[prompt.name] = prompt
    if splits is None:
        splits = read_splits(loaded, network=True) if with_data else Splits(loaded)
    adapter = _adapter(loaded)
    found = {
        role: role_model(recipe.models.of(role), loaded.base, packs.get(role), unasked.get(role))
        for role in ROLES
    }
    found["student"] = served(found["student"], recipe, adapter)
    return Resources(
        prompts=prompts,
        data=splits.digests() if with_data else {},
        splits=splits,
        models=found,
        method=loaded.method,
        operators=operators,
        packs=packs,
        schemas=schemas,
        adapter=adapter,
        reviews=reviews,
    )


def _adapter(loaded: LoadedRecipe) -> GivenAdapter | None:
    name = loaded.recipe.models.student.adapter
    if name is None:
        return None
    adapter = models.read_adapter(models.locate_adapter(name, loaded.base))
    return GivenAdapter(adapter.folder, adapter.digest, adapter.r)


def served(student: RoleModel, recipe: Recipe, given: GivenAdapter | None) -> RoleModel:
    """Return the student with what the recipe says of who answers for it."""
    if BACKENDS[student.backend].served is None:
        return student
    spec, rank = recipe.models.student, given.r if given else recipe.train.r
    whole = recipe.train.method == "full"
    serving = Serving(spec.serve, spec.serve_memory, None if whole else vllm_worker.rank_for(rank))
    if student.path is not None and vllm_worker.answers(serving, student.settings["device"]):
        serving = replace(serving, modules=tuple(models.linear_modules(student.path)))
    return replace(student, serving=serving)


def role_model(
    spec: ModelSpec, base: Path, pack: Pack | None = None, identity: str | None = None
) -> RoleModel:
    """Describe one role's model without loading it; `pack` is that of a teacher or a judge.

    With an `identity` nothing of it is looked for.
    """
    backend = BACKENDS[spec.backend]
    thinking = 0 if pack is None else thinking_tokens(spec, pack)
    settings = backend.parse(spec.settings).model_dump(mode="json")
    if identity is not None:
        return RoleModel(spec.backend, spec.model, identity, None, settings, thinking)
    if not backend.local:
        identity = backend.identity(spec.model, base, spec.settings)
        return RoleModel(spec.backend, spec.model, identity, base, settings, thinking)
    path = models.locate(spec.model, base, backend.weights)
    identity = f"{UNFETCHED}{spec.model}" if path is None else models.weights_digest(path)
    return RoleModel(spec.backend, spec.model, identity, path, settings, thinking)
