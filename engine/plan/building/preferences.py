"""From a recipe to the parameters of preference tuning."""

from __future__ import annotations

from engine.plan.stage_params import StageParams
from engine.spec.recipe import Preference
from engine.stages.preference.honest import comparing
from engine.stages.preference.pair import PairParams
from engine.stages.preference.prefer import PreferParams
from engine.stages.task_view import PromptedTask


def pair_params(params: StageParams, number: int) -> PairParams:
    """Return which answers make the pairs of a round; raises ValueError where answers cannot be compared."""
    taught, settings = params.train(number), params.recipe.train
    metric = comparing(params.task.entry)
    if metric is None:
        raise ValueError("answers of this task make no pairs")
    # How they are trained on decides nothing about them.
    tuned = settings.preference
    only = Preference(share=tuned.share, max_pairs=tuned.max_pairs)
    return PairParams(
        task=taught.task,
        prompt=taught.prompt,
        shots=taught.shots,
        train=settings.model_copy(update={"preference": only}),
        metric=metric,
        answering=PromptedTask(task=params.task, prompt=params.task_prompt, shots=params.shots()),
    )


def prefer_params(params: StageParams, number: int) -> PreferParams:
    """Return how the student of a round is tuned with its pairs."""
    taught = params.train(number)
    return PreferParams(
        task=taught.task,
        prompt=taught.prompt,
        shots=taught.shots,
        train=params.recipe.train,
        divide=taught.divide,
    )
