"""rate: the judge's rating of every answer, for the metrics that have a rubric.

One call per answer and metric; a call holds one row and its answer, never another row of any split. Test answers are
rated too, because they are scored: nothing that is said of them reaches a prompt or a decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.backends.protocol import Completion, Request
from engine.rows import Example, Prediction, Rating
from engine.stages import shapes
from engine.stages.protocol import Context, Inputs, Output, Stage


def rate(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Return one `Rating` per metric and answer, metric by metric; what the student could not be asked has none."""
    examples = {(e.split, e.id): e for e in inputs.of("load", Example)}
    answered = [p for p in inputs.of("predict", Prediction) if p.status != "backend_failed"]
    requests = [
        _request(params, metric, schema, examples[p.split, p.example], p, ctx)
        for metric in params["metrics"]
        for schema in [shapes.rating(params["schema"], *metric["scale"])]
        for p in answered
    ]
    if not requests:
        return Output(())
    asked = [(metric, p) for metric in params["metrics"] for p in answered]
    replies = ctx.ask("judge", requests)
    return Output(
        tuple(
            _rating(metric["name"], p, reply)
            for (metric, p), reply in zip(asked, replies, strict=True)
        )
    )


def _request(
    params: Mapping[str, Any],
    metric: Mapping[str, Any],
    schema: Mapping[str, Any],
    example: Example,
    prediction: Prediction,
    ctx: Context,
) -> Request:
    low, high = metric["scale"]
    variables = {
        "description": params["description"],
        "rubric": metric["rubric"],
        "low": low,
        "high": high,
        "row": dict(example.inputs),
        "target": example.target,
        # What was said counts, also where no answer could be read from it.
        "answer": prediction.text if prediction.answer is None else prediction.answer,
    }
    return ctx.request("judge", ctx.prompt("rate.md"), variables, schema)


def _rating(metric: str, prediction: Prediction, reply: Completion) -> Rating:
    if reply.value is None:
        reason = f"no rating: {reply.error}"
        return Rating(prediction.example, prediction.split, metric, None, reason, reply.request)
    said = reply.value
    return Rating(
        prediction.example,
        prediction.split,
        metric,
        int(said["rating"]),
        said["reason"].strip(),
        reply.request,
    )


RATE = Stage("rate", 1, rate, asks=("judge",), prompts=("rate.md",))
