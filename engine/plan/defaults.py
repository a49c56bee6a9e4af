"""What a recipe leaves to its task kind: metrics, the failure predicate, and the metric the loop stops by."""

from __future__ import annotations

from dataclasses import replace

from engine.spec.loader import LoadedRecipe
from engine.tasks import TASKS

USUAL = "accuracy"
"""The metric that the loop stops by where a recipe has it and names no other."""


def complete(loaded: LoadedRecipe) -> LoadedRecipe:
    """Return the recipe with its task kind's defaults filled in, as far as the kind is known."""
    recipe = loaded.recipe
    kind = TASKS.get(recipe.task.kind)
    metrics = recipe.metrics or (list(kind.metrics) if kind else [USUAL])
    failure = recipe.failure or (kind.failure if kind else f"{USUAL} < 1")
    filled = recipe.model_copy(update={"metrics": metrics, "failure": failure})
    names = [metric.name for metric in filled.measured]
    if not recipe.loop.stop.metric:
        chosen = USUAL if USUAL in names else names[0]
        stop = recipe.loop.stop.model_copy(update={"metric": chosen})
        filled = filled.model_copy(update={"loop": recipe.loop.model_copy(update={"stop": stop})})
    return replace(loaded, recipe=filled)
