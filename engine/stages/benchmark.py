"""benchmark: how fast the student answers when it is served, or the endpoint that the recipe names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.backends.local.weights import pick_dtype
from engine.backends.serving.benchmark import Address, Figures, Job, Level, measure
from engine.backends.serving.server import Weights
from engine.rows import Benchmark, Drop, Example, Model, Row
from engine.stages.columns import StudentPrompts
from engine.stages.protocol import Context, Inputs, Output, Stage

_NOTHING = {"requests_per_second": Figures(0, 0.0, 0.0, 0.0, 0.0, 0.0)}
"""What is kept of a concurrency at which no request was answered: it must not be missing where the others are shown."""


def benchmark(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Time the answers to the split's rows, as the student sees them; see `engine.backends.serving.benchmark`.

    A timing never comes out the same twice. It is kept like any other result all the same: a node that is done is
    not measured again, whatever else the machine was doing at the time.

    Raises:
        BackendError: no server, one that does not start, or one that answers nothing.
    """
    examples = inputs.of("load", Example)
    prompts = StudentPrompts(params, ctx.prompt(params["prompt"]), examples)
    rows = [e for e in examples if e.split == params["split"]]
    # No more than are asked about: each concurrency goes on where the one before ended.
    wanted = rows[: params["requests"] * len(params["concurrency"])]
    job = Job(
        prompts=tuple(prompts(e) for e in wanted),
        requests=params["requests"],
        concurrency=tuple(params["concurrency"]),
        max_tokens=params["max_tokens"],
        address=_address(params),
        weights=_weights(params, inputs, ctx),
        server=params["server"],
        state=ctx.state,
    )
    found = measure(job, ctx.progress("benchmark", job.requests * len(job.concurrency)))
    made: list[Row] = []
    for level in found.levels:
        failed = sum(level.errors.values())
        made.extend(
            Benchmark(
                "endpoint" if params["given"] else "student",
                found.server,
                level.concurrency,
                job.requests,
                failed,
                metric,
                *figures,
            )
            for metric, figures in (level.metrics or _NOTHING).items()
        )
        made.extend(_failures(level, job.requests))
    return Output(tuple(made))


def _address(params: Mapping[str, Any]) -> Address | None:
    place = params["endpoint"]
    return None if place is None else Address(**place, key=params["key"])


def _weights(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Weights | None:
    """Return the weights to serve; None where an endpoint is measured."""
    if params["endpoint"] is not None:
        return None
    adapter: Path | None = None
    if "train" in inputs:
        (model,) = inputs.of("train", Model)
        adapter = (ctx.state / model.path).resolve()
    student = params["student"]
    return Weights(
        ctx.model_path("student"), adapter, pick_dtype(student["dtype"]), student["device"]
    )


def _failures(level: Level, requests: int) -> list[Drop]:
    where = f"concurrency {level.concurrency}"
    return [
        Drop("benchmark", where, "request_failed", f"{count} of {requests} requests: {said}")
        for said, count in level.errors.items()
    ]


BENCHMARK = Stage("benchmark", 1, benchmark)
