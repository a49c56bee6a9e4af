"""What a recipe leaves open: metrics, failures and what the loop stops by, and what the judge does."""

from __future__ import annotations

from dataclasses import replace

from engine.plan.packs import judge_mode
from engine.spec.loader import LoadedRecipe
from engine.tasks import TASKS

USUAL = "accuracy"
"""The metric that the loop stops by where a recipe has it and names no other."""


def complete(loaded: LoadedRecipe) -> LoadedRecipe:
    """Return the recipe with the defaults of its task kind and of its packs filled in, as far as these are known."""
    recipe = loaded.recipe
    kind = TASKS.get(recipe.task.kind)
    metrics = recipe.metrics or (list(kind.metrics) if kind else [USUAL])
    failure = recipe.failure or (kind.failure if kind else f"{USUAL} < 1")
    quality = recipe.quality.model_copy(update={"judge": judge_mode(loaded)})
    filled = recipe.model_copy(update={"metrics": metrics, "failure": failure, "quality": quality})
    names = [metric.name for metric in filled.measured]
    if not recipe.loop.stop.metric:
        chosen = USUAL if USUAL in names else names[0]
        stop = recipe.loop.stop.model_copy(update={"metric": chosen})
        filled = filled.model_copy(update={"loop": recipe.loop.model_copy(update={"stop": stop})})
    return replace(loaded, recipe=filled)
