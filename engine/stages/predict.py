"""predict: the student's answers to every example of the three splits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.backends.protocol import Likelihood
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
    student = ctx.student()
    answers = prompts.kind.answer(student, asked, prompts.task, adapter, bar)
    likely: list[Likelihood | None] = [None] * len(examples)
    if params.get("reference") and student.likelihoods:
        right = [[prompts.completion(e)] for e in examples]
        bar = ctx.progress("references", len(examples))
        found = student.compare([each.prompt for each in asked], right, adapter, bar)
        likely = [each for (each,) in found]
    return Output(
        tuple(
            Prediction(
                e.id,
                e.split,
                a.text,
                a.answer,
                a.status,  # type: ignore[arg-type]
                a.confidence,
                a.how,
                None if r is None else -r.nats,
                None if r is None else r.tokens,
            )
            for e, a, r in zip(examples, answers, likely, strict=True)
        )
    )


PREDICT = Stage("predict", 1, predict, asks=("student",))
