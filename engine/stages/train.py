"""train: fine-tune the student from its base model on the round's whole training set.

Reads the original rows and the rows selected in earlier rounds; writes the one `Model`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.backends.protocol import TrainingJob, TrainingRow
from engine.fingerprint import digest
from engine.rows import Example, Model
from engine.spec.recipe import Train
from engine.stages.division import Divide, selection_part
from engine.stages.outputs import Loaded, SelectedRows, Trained
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import PromptedTask, StudentPrompts


@dataclass(frozen=True, kw_only=True)
class TrainParams(PromptedTask):
    """What the student is taught, and how."""

    train: Train
    seed: int | None = None
    """Training seed; the loop's where it is None."""
    divide: Divide | None = None
    """Whether a part of validation chooses checkpoints; None where none are chosen."""


@dataclass(frozen=True)
class TrainInputs(Inputs):
    """The original rows, and those that earlier rounds added, in order."""

    load: Loaded
    earlier: tuple[SelectedRows, ...] = ()


def training_set(inputs: TrainInputs) -> list[Example]:
    """Return the original training rows, then each earlier round's selected rows, in order."""
    return [*inputs.load.train, *(e for selected in inputs.earlier for e in selected.examples)]


def steps_of(settings: Train, original_rows: int) -> int:
    """Return the optimizer steps: given, or those of `epochs` passes over the original rows.

    They are the same in every round, so that a longer training never passes for better data.
    """
    if settings.steps:
        return settings.steps
    return max(1, math.ceil(settings.epochs * original_rows / settings.batch_size))


def train(params: TrainParams, inputs: TrainInputs, ctx: Context) -> Trained:
    """Fine-tune and return the one `Model` row; raises ModelError when training cannot be done."""
    settings = params.train
    if settings.method == "none":
        raise ValueError("a student that is not trained has no node that trains it")
    rows = training_set(inputs)
    prompts = StudentPrompts(params, ctx.prompt(params.prompt), inputs.load.examples)

    def training_rows(examples: Sequence[Example]) -> tuple[TrainingRow, ...]:
        return tuple(TrainingRow(prompts(e), prompts.completion(e)) for e in examples)

    best = settings.checkpoint == "best"
    validation = inputs.load.split("validation")
    if params.divide is not None and (chosen := selection_part(inputs.load, params.divide)):
        validation = [row for row in validation if row.id in chosen]
    job = TrainingJob(
        model=ctx.model_path("student"),
        rows=training_rows(rows),
        validation=training_rows(validation) if best else (),
        output=ctx.state / "models" / ctx.node,
        method=settings.method,
        steps=steps_of(settings, len(inputs.load.train)),
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup=settings.warmup,
        schedule=settings.schedule,
        weight_decay=settings.weight_decay,
        r=settings.r,
        alpha=settings.alpha or 2 * settings.r,
        dropout=settings.dropout,
        checkpoint=settings.checkpoint,
        evaluations=settings.evaluations,
        max_length=settings.max_length,
        seed=ctx.seed if params.seed is None else params.seed,
        device=settings.device,
        dtype=settings.dtype,
    )
    result = ctx.train(job)
    model = Model(
        path=result.adapter.resolve().relative_to(ctx.state.resolve()).as_posix(),
        weights=result.weights,
        data=digest([row.id for row in rows]),
        rows=len(rows),
        steps=result.steps,
        epochs=result.epochs,
        train_loss=result.train_loss,
        validation_loss=result.validation_loss,
        chosen_step=result.chosen_step,
        seconds=result.seconds,
    )
    return Trained((model,))


def _sends(params: TrainParams) -> Mapping[str, str]:
    return {"row": "train rows and accepted generated rows ({inputs}, {target})", "labels": ""}


def _accounts(params: TrainParams, inputs: TrainInputs, output: Trained) -> Iterable[Account]:
    yield Account("training rows", len(training_set(inputs)), output.model.rows)


TRAIN = Stage(
    "train", 1, TrainParams, TrainInputs, Trained, train,
    asks=("student",), sends=_sends, accounts=_accounts,
)  # fmt: skip
