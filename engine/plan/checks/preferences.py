"""What is wrong with preference tuning: a student, a task or a loop that cannot have it."""

from __future__ import annotations

from collections.abc import Iterator

from engine.backends import BACKENDS
from engine.errors import Problem, RecipeError
from engine.spec.loader import LoadedRecipe
from engine.stages.preference.honest import comparing
from engine.stages.preference.pair import pairs_per_step
from engine.stages.train import preference_steps
from engine.tasks import TASKS

_PLAIN = "or write objective: sft"


def _never_enough(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield that no round can have as many pairs as it needs; of steps that go by rows nothing is known."""
    train = loaded.recipe.train
    tuned, at = train.preference, loaded.at("train", "objective")
    hint = f"raise it, lower min_pairs, {_PLAIN}"
    if tuned.max_pairs is not None and tuned.max_pairs < tuned.min_pairs:
        message = f"train.preference.max_pairs is {tuned.max_pairs}, min_pairs is {tuned.min_pairs}: nothing is tuned"
        yield Problem(at, message, hint, code="train")
    if isinstance(train.steps, int):
        steps = preference_steps(train, train.steps)
        visits = steps * pairs_per_step(train.batch_size)
        if visits < tuned.min_pairs:
            message = (
                f"a round has time for {visits} pairs ({steps} steps of {pairs_per_step(train.batch_size)}), "
                f"train.preference.min_pairs is {tuned.min_pairs}: nothing is tuned"
            )
            hint = f"raise train.steps or train.preference.share, lower min_pairs, {_PLAIN}"
            yield Problem(at, message, hint, code="train")


def check_preferences(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield why `objective: dpo` cannot be, or changes nothing; and settings of it without it."""
    recipe, train = loaded.recipe, loaded.recipe.train
    if train.objective != "dpo":
        if "preference" in train.model_fields_set:
            message = "train.preference changes nothing: train.objective is sft"
            hint = "write objective: dpo, or leave preference out"
            yield Problem(loaded.at("train", "preference"), message, hint, "warning", "train")
        return
    at = loaded.at("train", "objective")
    if train.method != "lora":
        message = f"preference tuning goes on from an adapter, and train.method is {train.method}"
        hint = f"write method: lora, {_PLAIN}"
        yield Problem(loaded.at("train", "method"), message, hint, code="train")
    backend = BACKENDS.get(recipe.models.student.backend)
    # One that fine-tunes nothing at all is told of elsewhere.
    if backend is not None and backend.train is not None and not backend.prefers:
        able = ", ".join(name for name, entry in BACKENDS.items() if entry.prefers)
        message = f"a student on the backend '{backend.name}' cannot be tuned by preferences"
        yield Problem(at, message, f"write backend: {able}, {_PLAIN}", code="train")
    yield from _never_enough(loaded)
    kind = TASKS.get(recipe.task.kind)
    if kind is not None and comparing(kind) is None:
        message = (
            f"an answer to a task of the kind '{kind.name}' may be right though it is not the target, "
            "so that nothing says which answers are wrong"
        )
        yield Problem(at, message, f"choose another kind of task, {_PLAIN}", code="train")
    try:
        method = loaded.method
    except RecipeError:
        return
    if not method.rounds_of(recipe.loop.rounds):
        message = "train.objective is dpo, but there is no round behind the plain fine-tune: nothing is tuned"
        hint = f"write loop: {{rounds: 1}} or more, {_PLAIN}"
        yield Problem(at, message, hint, "warning", "train")
