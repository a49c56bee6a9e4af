"""train: fine-tune the student on the round's whole training set, from its base model or from its given adapter.

Reads the original rows, the rows selected in earlier rounds, which of these rounds were rolled back, and the adapter
where the student came with one; writes the one `Model`, and a `Drop` for each row that is kept out since then. It never
goes on from the round before: what a round is worth is then due to its rows, not to more training.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from engine.backends.protocol import TrainingJob, TrainingResult, TrainingRow
from engine.bounds import LARGEST
from engine.fingerprint import digest
from engine.rows import Drop, Example, Model
from engine.spec.recipe import Preference, Train
from engine.stages.division import Divide, selection_part
from engine.stages.outputs import REPLACES, DecidedRound, Loaded, SelectedRows, Trained
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
    """The original rows, those of earlier rounds, what was decided after these, and the student that exists already."""

    load: Loaded
    earlier: tuple[SelectedRows, ...] = ()
    decided: tuple[DecidedRound, ...] = ()
    """Where rounds may be rolled back; then `earlier` has all rounds, from 0."""
    given: Trained | None = None


def training_set(inputs: TrainInputs) -> list[Example]:
    """Return the original training rows, then each earlier round's selected rows, in order, without those kept out.

    An original row that a selected one replaces is left out, too.
    """
    added, gone = added_rows(inputs), _replaced(inputs)
    return [*(row for row in inputs.load.train if row.id not in gone), *added]


def added_rows(inputs: TrainInputs) -> list[Example]:
    """Return the selected rows of the earlier rounds that are not kept out."""
    out = kept_out(inputs)
    kept = (selected for number, selected in enumerate(inputs.earlier) if number not in out)
    return [example for selected in kept for example in selected.examples]


def kept_out(inputs: TrainInputs) -> set[int]:
    """Return the rounds whose generated rows are not trained on any more."""
    return {number for one in inputs.decided for number in one.kept_out}


def _replaced(inputs: TrainInputs) -> dict[str, str]:
    """Return the original rows that selected ones replace, each with the first of these."""
    found: dict[str, str] = {}
    for row in added_rows(inputs):
        if REPLACES in row.columns:
            found.setdefault(row.columns[REPLACES], row.id)
    return found


def _drops(inputs: TrainInputs) -> Iterator[Drop]:
    """Yield a drop per generated row that was trained on in a round that was rolled back."""
    by_round = {number: one.number for one in inputs.decided for number in one.kept_out}
    for number, later in sorted(by_round.items()):
        for example in inputs.earlier[number].examples:
            yield Drop("train", example.id, "rolled_back", f"round {later} was rolled back")
    for original, row in _replaced(inputs).items():
        yield Drop("train", original, "replaced", f"row {row} has its inputs with another target")


def selection_rows(params: TrainParams, inputs: TrainInputs) -> Sequence[Example]:
    """Return the validation rows on whose loss `checkpoint: best` chooses the step."""
    validation = inputs.load.split("validation")
    if params.divide is not None and (chosen := selection_part(inputs.load, params.divide)):
        return [row for row in validation if row.id in chosen]
    return validation


def steps_of(settings: Train, original_rows: int, generated_rows: int = 0) -> int:
    """Return the optimizer steps of a round: given, or those of `epochs` passes over the original rows.

    They are the same in every round, so that a longer training never passes for better data; with `per_row` alone
    the visits of generated rows come on top, so that no original row is seen less because rows were added.
    """
    if isinstance(settings.steps, int):
        return settings.steps
    rows: float = original_rows
    if settings.steps == "per_row":
        rows += settings.mix * generated_rows
    return min(LARGEST, max(1, math.ceil(settings.epochs * rows / settings.batch_size)))


def preference_steps(settings: Train, total: int) -> int:
    """Return how many of a round's steps are on pairs; the others, one at least, are on rows."""
    if settings.objective != "dpo":
        return 0
    return min(max(1, round(settings.preference.share * total)), total - 1)


def without_generated(settings: Train) -> Train:
    """Return the settings of a fine-tune on original rows alone.

    What concerns generated rows, or wrong answers of an earlier round, decides nothing there, so it is no part of its
    identity: recipes that differ in it share their round 0, and all that was asked about its failures.
    """
    steps = None if settings.steps == "per_row" else settings.steps
    update = {"steps": steps, "mix": 1.0, "order": "mixed"}
    return without_preferences(settings).model_copy(update=update)


def without_preferences(settings: Train) -> Train:
    """Return the settings of the plain fine-tune."""
    return settings.model_copy(update={"objective": "sft", "preference": Preference()})


def before_preferences(settings: Train) -> Train:
    """Return the settings of a round's supervised part, which preference tuning decides by its share of steps alone."""
    only = Preference(share=settings.preference.share)
    return settings.model_copy(update={"preference": only})


def train(params: TrainParams, inputs: TrainInputs, ctx: Context) -> Trained:
    """Fine-tune and return the one `Model` row; raises ModelError when training cannot be done."""
    model = trained_model(ctx.train(supervised(params, inputs, ctx)), inputs, ctx)
    interim = params.train.objective == "dpo"
    return Trained((replace(model, interim=interim), *_drops(inputs)))


def supervised(params: TrainParams, inputs: TrainInputs, ctx: Context) -> TrainingJob:
    """Return the fine-tune on rows; of a round that is tuned by preferences its first part."""
    settings = params.train
    if settings.method == "none":
        raise ValueError("a student that is not trained has no node that trains it")
    generated = len(added_rows(inputs))
    prompts = StudentPrompts(params, ctx.prompt(params.prompt), inputs.load.examples)

    def training_rows(examples: Sequence[Example]) -> tuple[TrainingRow, ...]:
        turns = prompts.of(examples)
        return tuple(
            TrainingRow(asked, *prompts.said(e)) for e, asked in zip(examples, turns, strict=True)
        )

    best = settings.checkpoint == "best"
    total = steps_of(settings, len(inputs.load.train), generated)
    return TrainingJob(
        model=ctx.model_path("student"),
        rows=training_rows(training_set(inputs)),
        validation=training_rows(selection_rows(params, inputs)) if best else (),
        output=ctx.state / "models" / ctx.node,
        method=settings.method,
        steps=total - preference_steps(settings, total),
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
        generated=generated,
        mix=settings.mix,
        order=settings.order,
        devices=settings.devices,
        micro_batch=settings.micro_batch,
        master=settings.master,
        attention=settings.attention,
        adapter=ctx.state / inputs.given.model.path if inputs.given else None,
    )


def trained_model(result: TrainingResult, inputs: TrainInputs, ctx: Context) -> Model:
    """Return the student that a fine-tune left behind."""
    rows = training_set(inputs)
    return Model(
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


def _sends(params: TrainParams) -> Mapping[str, str]:
    return {"row": "train rows and accepted {candidates} ({inputs}, {target})", "labels": ""}


def _accounts(params: TrainParams, inputs: TrainInputs, output: Trained) -> Iterable[Account]:
    came = len(inputs.load.train) + sum(len(one.examples) for one in inputs.earlier)
    yield Account("training rows", came, output.model.rows, len(output.drops))


TRAIN = Stage(
    "train", 2, TrainParams, TrainInputs, Trained, train,
    description="Fine-tunes the student on the training rows of its round.",
    asks=("student",), sends=_sends, accounts=_accounts,
)  # fmt: skip
