"""Mining agrees with the recipe: there is a pool, a method that it fits, and a label that task and models can give."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Problem, RecipeError
from engine.plan.building.mining import minable
from engine.spec.loader import LoadedRecipe
from engine.tasks import TASKS


def check_mining(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield a pool that nothing reads, mining without a pool or a method for it, and labels that cannot be given."""
    recipe = loaded.recipe
    mine, pool = recipe.augment.mine, recipe.data.pool
    if mine is None:
        if pool is not None:
            at = loaded.at("data", "pool", key=True)
            message = "nothing takes rows from data.pool"
            hint = "write `augment: {mine: {by: [pattern]}}`, or leave the pool out"
            yield Problem(at, message, hint, "warning", "pool")
        return
    at = loaded.at("augment", "mine", key=True)
    if pool is None:
        hint = "write `data: {pool: {path: …}}`: rows with the task's inputs, labelled or not"
        yield Problem(
            at, "augment.mine takes rows from data.pool, which is not there", hint, code="pool"
        )
    yield from _method(loaded)
    kind = TASKS.get(recipe.task.kind)
    if kind is None:
        return
    if mine.label == "neighbours" and not kind.labelled:
        message = f"labels by neighbours are for tasks with labels, which tasks of the kind '{kind.name}' do not have"
        hint = "write `label: teacher`, `label: judge`, or `label: column` for a pool with answers"
        yield Problem(at, message, hint, code="pool")
    if mine.label in ("teacher", "judge") and kind.agreement is None:
        message = (
            f"answers of the kind '{kind.name}' are too free to be compared, so several never agree"
        )
        yield Problem(at, message, "write `label: column`, for a pool with answers", code="pool")


def _method(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield that the method plans each row from a training row, or that its plan has nothing that may be mined."""
    try:
        at = loaded.at("loop", "method")
        method = loaded.method
    except RecipeError:
        # Said where methods are checked.
        return
    if method.plans != "labels":
        at = loaded.at("augment", "mine", key=True)
        message = f"the method '{method.name}' makes every row from a training row, so none can come from a pool"
        hint = "leave `mine` out, or name a method that plans by patterns or labels: `loop: {method: pada}`"
        yield Problem(at, message, hint, code="pool")
    elif not minable(loaded.recipe.augment, method):
        at = loaded.at("augment", "mine", "by")
        message = (
            "rows that are not chosen by `pattern` are mined for `augment.coverage` alone, the part of a round's rows "
            "that is against no pattern, and that is nothing here"
        )
        hint = "write `by: [pattern, …]`, or raise `augment: {coverage: …}`"
        yield Problem(at, message, hint, code="pool")
