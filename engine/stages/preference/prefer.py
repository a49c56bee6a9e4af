"""prefer: the round's student learns to prefer right answers to wrong ones, on the last of the round's steps.

It goes on from the adapter of the supervised part, which is also the reference that it is held to. With too few pairs
the student is the plain fine-tune with all of the round's steps, as if nothing had been said of preferences. Reads the
pairs and what the round trains on; writes the round's `Model`, and a `PreferenceTuning` that says what was done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from engine.backends.protocol import AnswerPair, PreferenceLoss, TooFewPairs, TrainingJob
from engine.fingerprint import digest
from engine.rows import Example, PreferencePair, PreferenceTuning
from engine.stages.outputs import Trained
from engine.stages.preference.outputs import Paired
from engine.stages.preference.pair import pairs_per_step
from engine.stages.protocol import Account, Context, Stage
from engine.stages.task_view import StudentPrompts
from engine.stages.train import (
    TrainInputs,
    TrainParams,
    added_rows,
    preference_steps,
    steps_of,
    supervised,
    trained_model,
    without_preferences,
)


@dataclass(frozen=True, kw_only=True)
class PreferParams(TrainParams):
    """How the student is tuned."""


@dataclass(frozen=True, kw_only=True)
class PreferInputs(TrainInputs):
    """What the round trains on, its student before the tuning, and the pairs."""

    train: Trained
    pair: Paired


def prefer(params: PreferParams, inputs: PreferInputs, ctx: Context) -> Trained:
    """Tune the student, or fine-tune it plainly; raises ModelError when training cannot be done."""
    settings, pairs = params.train, inputs.pair.pairs
    total = steps_of(settings, len(inputs.load.train), len(added_rows(inputs)))
    steps = preference_steps(settings, total)
    tuning = PreferenceTuning(
        tuned=False,
        reason=_why_not(inputs.pair, settings.preference.min_pairs, steps),
        pairs=0,
        left_out=len(pairs),
        supervised_steps=total,
        steps=0,
        loss=settings.preference.loss,
        beta=settings.preference.beta,
        final_loss=None,
        accuracy=None,
        margin=None,
    )
    if tuning.reason:
        return _plain(params, inputs, ctx, tuning)
    try:
        result = ctx.train(_job(params, inputs, ctx, steps))
    except TooFewPairs as few:
        return _plain(params, inputs, ctx, replace(tuning, reason=few.message))
    first = inputs.train.model
    model = replace(
        first,
        path=result.adapter.resolve().relative_to(ctx.state.resolve()).as_posix(),
        weights=result.weights,
        data=digest([first.data, [one.id for one in pairs]]),
        steps=first.steps + result.steps,
        chosen_step=first.steps + result.steps,
        seconds=first.seconds + result.seconds,
        interim=False,
    )
    tuning = replace(
        tuning,
        tuned=True,
        pairs=len(pairs) - result.left_out,
        left_out=result.left_out,
        supervised_steps=first.steps,
        steps=result.steps,
        final_loss=result.train_loss,
        accuracy=result.accuracy,
        margin=result.margin,
    )
    return Trained((model, tuning))


def _plain(
    params: PreferParams, inputs: PreferInputs, ctx: Context, tuning: PreferenceTuning
) -> Trained:
    """Return the plain fine-tune, for the reason that `tuning` has."""
    ctx.warn(f"round {ctx.round}: no preference tuning, {tuning.reason}")
    plain = replace(params, train=without_preferences(params.train))
    model = trained_model(ctx.train(supervised(plain, inputs, ctx)), inputs, ctx)
    return Trained((model, tuning))


def _why_not(paired: Paired, least: int, steps: int) -> str:
    if not steps:
        return "a round of one optimizer step has none left for it"
    if (pairs := len(paired.pairs)) < least:
        over = sum(drop.reason == "over_limit" for drop in paired.drops)
        found = f" of {pairs + over} that were found are used" if over else ""
        return f"{pairs} pairs of a right and a wrong answer{found}, train.preference.min_pairs is {least}"
    return ""


def _job(params: PreferParams, inputs: PreferInputs, ctx: Context, steps: int) -> TrainingJob:
    settings = params.train
    tuned = settings.preference
    prompts = StudentPrompts(params, ctx.prompt(params.prompt), inputs.load.examples)
    rate = tuned.learning_rate
    return replace(
        supervised(params, inputs, ctx),
        rows=(),
        # The loss on right answers alone would choose the step before the first.
        validation=(),
        checkpoint="last",
        generated=0,
        mix=1.0,
        order="mixed",
        pairs=tuple(_answers(prompts, one) for one in inputs.pair.pairs),
        preference=PreferenceLoss(tuned.loss, tuned.beta, tuned.min_pairs),
        steps=steps,
        batch_size=pairs_per_step(settings.batch_size),
        learning_rate=settings.learning_rate / 100 if rate is None else rate,
        adapter=ctx.state / inputs.train.model.path,
    )


def _answers(prompts: StudentPrompts, one: PreferencePair) -> AnswerPair:
    row = Example("", "train", one.inputs, one.target, {}, "", 1)
    return AnswerPair(prompts(row), one.chosen, one.rejected)


def _sends(params: PreferParams) -> Mapping[str, str]:
    rows = "train rows and generated rows, rejected ones too ({inputs}, {target})"
    return {"row": f"{rows}, and wrong answers to them", "labels": ""}


def tuning_of(student: Trained) -> PreferenceTuning:
    """Return what came of the tuning of a student that was to be tuned."""
    (tuning,) = student.of(PreferenceTuning)
    return tuning


def _accounts(params: PreferParams, inputs: PreferInputs, output: Trained) -> Iterable[Account]:
    tuning = tuning_of(output)
    yield Account("pairs", len(inputs.pair.pairs), tuning.pairs, tuning.left_out)


PREFER = Stage(
    # A later round may go on from an earlier one's student, which came about in another way.
    "prefer", 3, PreferParams, PreferInputs, Trained, prefer,
    description="The student learns to prefer right answers to wrong ones.",
    asks=("student",), sends=_sends, accounts=_accounts,
)  # fmt: skip
