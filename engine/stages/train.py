"""train: fine-tune the student from its base model on the round's whole training set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.protocol import TrainingJob, TrainingRow
from engine.fingerprint import digest
from engine.rows import Example, Model
from engine.stages.columns import StudentPrompts
from engine.stages.protocol import Context, Inputs, Output, Stage


def training_set(inputs: Inputs) -> list[Example]:
    """Return the original training rows, then each earlier round's selected rows, in order."""
    rows = [e for e in inputs.of("load", Example) if e.split == "train"]
    for edge in inputs.edges("select"):
        rows.extend(inputs.of(edge, Example))
    return rows


def steps_of(params: Mapping[str, Any], original_rows: int) -> int:
    """Return the optimizer steps: given, or those of `epochs` passes over the original rows.

    They are the same in every round, so that a longer training never passes for better data.
    """
    if params["steps"]:
        return int(params["steps"])
    return max(1, math.ceil(float(params["epochs"]) * original_rows / int(params["batch_size"])))


def train(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Fine-tune and return the one `Model` row; raises ModelError when training cannot be done."""
    examples = inputs.of("load", Example)
    original = [e for e in examples if e.split == "train"]
    rows = training_set(inputs)
    prompts = StudentPrompts(params, ctx.prompt(params["prompt"]), examples)

    def training_rows(chosen: Sequence[Example]) -> tuple[TrainingRow, ...]:
        return tuple(TrainingRow(prompts(e), prompts.completion(e)) for e in chosen)

    settings = params["train"]
    job = TrainingJob(
        model=ctx.model_path("student"),
        rows=training_rows(rows),
        validation=training_rows([e for e in examples if e.split == "validation"])
        if settings["checkpoint"] == "best"
        else (),
        output=ctx.state / "models" / ctx.node,
        method=settings["method"],
        steps=steps_of(settings, len(original)),
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        warmup=settings["warmup"],
        schedule=settings["schedule"],
        weight_decay=settings["weight_decay"],
        r=settings["r"],
        alpha=settings["alpha"] or 2 * settings["r"],
        dropout=settings["dropout"],
        checkpoint=settings["checkpoint"],
        evaluations=settings["evaluations"],
        max_length=settings["max_length"],
        seed=ctx.seed,
        device=settings["device"],
        dtype=settings["dtype"],
    )
    result = ctx.train(job)
    return Output(
        (
            Model(
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
            ),
        )
    )


TRAIN = Stage("train", 1, train, asks=("student",))
