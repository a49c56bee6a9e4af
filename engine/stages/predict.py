"""predict: the student's answers to every example of the three splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.rows import Example, Model, Prediction
from engine.stages.columns import StudentPrompts
from engine.stages.protocol import Context, Inputs, Output, Stage
from engine.tasks import Asked


def predict(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Ask the trained student, or the untuned one when no model comes in."""
    examples = inputs.of("load", Example)
    prompts = StudentPrompts(params, ctx.prompt(params["prompt"]), examples)
    asked = [Asked(prompts(e), e.inputs) for e in examples]
    adapter = None
    if "train" in inputs:
        (model,) = inputs.of("train", Model)
        adapter = ctx.state / model.path
    bar = ctx.progress("predict", len(examples))
    answers = prompts.kind.answer(ctx.student(), asked, prompts.task, adapter, bar)
    return Output(
        tuple(
            Prediction(e.id, e.split, a.text, a.answer, a.status, a.confidence, a.how)  # type: ignore[arg-type]
            for e, a in zip(examples, answers, strict=True)
        )
    )


PREDICT = Stage("predict", 1, predict, asks=("student",))
