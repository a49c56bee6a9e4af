"""predict: the student's answers to every example of the three splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.rows import Example, Model, Prediction
from engine.stages.columns import labels_of, student_prompt
from engine.stages.protocol import Context, Inputs, Output, Stage
from engine.tasks import TASKS


def predict(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Ask the trained student, or the untuned one when no model comes in."""
    examples = inputs.of("load", Example)
    labels = labels_of(params, examples)
    prompt = ctx.prompt(params["prompt"])
    prompts = [student_prompt(prompt, e, labels, params["description"]) for e in examples]
    adapter = None
    if "train" in inputs:
        (model,) = inputs.of("train", Model)
        adapter = ctx.state / model.path
    bar = ctx.progress("predict", len(examples))
    answers = TASKS[params["kind"]].answer(ctx.student(), prompts, labels, adapter, bar)
    return Output(
        tuple(
            Prediction(e.id, e.split, a.text, a.answer, a.status, a.confidence, a.how)  # type: ignore[arg-type]
            for e, a in zip(examples, answers, strict=True)
        )
    )


PREDICT = Stage("predict", 1, predict, asks=("student",))
