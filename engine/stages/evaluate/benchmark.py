"""benchmark: how fast the student answers when it is served, or the endpoint that the recipe names.

Reads the rows of one split and, after a fine-tune, the model; writes `Benchmark` rows, and a `Drop` per kind of request
that was not answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.backends.entry import ChatEndpoint
from engine.backends.local.weights import pick_dtype
from engine.backends.serving.benchmark import DistributionSummary, Job, Level, measure
from engine.backends.serving.server import Weights
from engine.identity import Params, outside
from engine.rows import Benchmark, Drop, Row
from engine.stages.outputs import Benchmarked, Loaded, Trained
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import PromptedTask, StudentPrompts

_NOTHING = {"requests_per_second": DistributionSummary(0, 0.0, 0.0, 0.0, 0.0, 0.0)}
"""What is kept of a concurrency at which no request was answered: it must not be missing where the others are shown."""


@dataclass(frozen=True, kw_only=True)
class MeasuredServer(Params):
    """A server that runs already. Unlike what a model says, how fast it does depends on the machine at an address."""

    base_url: str
    model: str
    extra: Mapping[str, Any]
    """Further parameters of every request."""
    key: str | None = outside(None)
    """Name of the environment variable with the API key."""
    subject: Literal["student", "endpoint"]


@dataclass(frozen=True, kw_only=True)
class ServedStudent(Params):
    """Weights that the engine serves itself."""

    model: str
    """Identity of the base model."""
    device: str
    dtype: str


@dataclass(frozen=True, kw_only=True)
class BenchmarkParams(PromptedTask):
    """What is asked, at which concurrencies, of whom."""

    requests: int
    concurrency: tuple[int, ...]
    max_tokens: int
    split: Literal["validation", "test"]
    server: Literal["auto", "transformers", "vllm"]
    place: MeasuredServer | ServedStudent


@dataclass(frozen=True)
class BenchmarkInputs(Inputs):
    """The rows, and the student to serve; the untuned one where no model comes in."""

    load: Loaded
    train: Trained | None = None


def benchmark(params: BenchmarkParams, inputs: BenchmarkInputs, ctx: Context) -> Benchmarked:
    """Time the answers to the split's rows, as the student sees them; see `engine.backends.serving.benchmark`.

    A timing never comes out the same twice. It is still kept like any other result: a node that is done is
    not measured again, whatever else the machine was doing at the time.

    Raises:
        BackendError: no server, one that does not start, or one that answers nothing.
    """
    prompts = StudentPrompts(params, ctx.prompt(params.prompt), inputs.load.examples)
    # No more than are asked about: each concurrency goes on where the one before ended.
    wanted = inputs.load.split(params.split)[: params.requests * len(params.concurrency)]
    server = params.place if isinstance(params.place, MeasuredServer) else None
    job = Job(
        prompts=tuple(prompts.of(wanted)),
        requests=params.requests,
        concurrency=params.concurrency,
        max_tokens=params.max_tokens,
        address=ChatEndpoint(server.base_url, server.model, server.key, server.extra)
        if server
        else None,
        weights=_weights(params.place, inputs, ctx),
        server=params.server,
        state=ctx.state,
    )
    measured = measure(job, ctx.progress("benchmark", job.requests * len(job.concurrency)))
    rows: list[Row] = []
    for level in measured.levels:
        failed = sum(level.errors.values())
        rows.extend(
            Benchmark(
                server.subject if server else "student",
                measured.server,
                level.concurrency,
                job.requests,
                failed,
                metric,
                *figures,
            )
            for metric, figures in (level.metrics or _NOTHING).items()
        )
        rows.extend(_failures(level, job.requests))
    return Benchmarked(tuple(rows))


def _weights(
    place: MeasuredServer | ServedStudent, inputs: BenchmarkInputs, ctx: Context
) -> Weights | None:
    """Return the weights to serve; None where a server that runs already is measured."""
    if isinstance(place, MeasuredServer):
        return None
    adapter = (ctx.state / inputs.train.model.path).resolve() if inputs.train else None
    return Weights(ctx.model_path("student"), adapter, pick_dtype(place.dtype), place.device)


def _failures(level: Level, requests: int) -> list[Drop]:
    where = f"concurrency {level.concurrency}"
    return [
        Drop("benchmark", where, "request_failed", f"{count} of {requests} requests: {error}")
        for error, count in level.errors.items()
    ]


def _accounts(
    params: BenchmarkParams, inputs: BenchmarkInputs, output: Benchmarked
) -> Iterable[Account]:
    measured = {figure.concurrency for figure in output.figures}
    yield Account("concurrencies", len(params.concurrency), len(measured))


BENCHMARK = Stage(
    "benchmark", 1, BenchmarkParams, BenchmarkInputs, Benchmarked, benchmark,
    description="Measures how fast the student answers when it is served.",
    alone=True, accounts=_accounts,
)  # fmt: skip
