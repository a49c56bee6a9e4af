"""A recipe's own prompts, each rendered once as its stage would, so that faults show before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path

from engine.errors import EngineError, Problem, RecipeError
from engine.plan.graph import Plan
from engine.plan.packs import packs_of
from engine.plan.resources import Resources
from engine.plan.validate import used_prompts
from engine.rehearsal.rehearse import ASKING, Play, rehearse
from engine.rehearsal.replies import none_usable
from engine.spec.loader import LoadedRecipe
from engine.spec.package_data import is_ours
from engine.spec.prompts import PromptLibrary
from engine.stages.outputs import Loaded
from engine.stages.task_view import PromptedTask, StudentPrompts


def has_own_prompts(loaded: LoadedRecipe) -> bool:
    """Return whether a valid recipe has prompts that do not come with the engine, operators' aside."""
    packs = packs_of(loaded)
    library = PromptLibrary(loaded.base, loaded.further)
    used = (
        library.get(name, packs[role].name if role in packs else None)
        for name, role, _ in used_prompts(loaded)
    )
    return not all(is_ours(prompt.path) for prompt in used)


def prompt_problems(plan: Plan, resources: Resources, state: Path) -> list[Problem]:
    """Return what is wrong with the prompts that come with a recipe, each told once; the engine's own are not tried."""
    return list(dict.fromkeys(_problems(plan, resources, state)))


def _problems(plan: Plan, resources: Resources, state: Path) -> Iterator[Problem]:
    tried = {
        file.path for operator in resources.operators.values() for file in operator.prompts.values()
    }
    own = {
        name
        for name, prompt in resources.prompts.items()
        # Those of operators are tried where operators are checked.
        if not is_ours(prompt.path) and prompt.path not in tried
    }
    yield from _students(plan, resources, state, own)
    for stage in ASKING:
        node = next((node for node in plan.nodes.values() if node.stage == stage), None)
        if node is None or own.isdisjoint(node.prompts):
            continue
        try:
            rehearse(plan, resources, stage, state)
        except RecipeError as error:
            yield from error.problems
        except EngineError:
            # A stage that asks nobody in this recipe, or has nothing to ask about: its prompt is not rendered.
            continue


def _students(plan: Plan, resources: Resources, state: Path, own: Set[str]) -> Iterator[Problem]:
    """Yield what is wrong with the student's prompts, each rendered for a training row."""
    params = (node.params for node in plan.nodes.values())
    prompted = {p.prompt: p for p in params if isinstance(p, PromptedTask) and p.prompt in own}
    load = next((node for node in plan.nodes.values() if node.stage == "load"), None)
    if not prompted or load is None:
        return
    loaded, _ = Play(plan, resources, state, None).play(load, load.params, none_usable)
    assert isinstance(loaded, Loaded)
    for name, task in prompted.items():
        try:
            for row in loaded.train[:1]:
                StudentPrompts(task, resources.prompts[name], loaded.examples)(row)
        except RecipeError as error:
            yield from error.problems
