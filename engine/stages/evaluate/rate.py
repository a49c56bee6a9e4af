"""rate: the judge's rating of every answer, for the metrics that have a rubric.

Reads the rows and the student's answers, writes one `Rating` per metric and answer. A call holds one row and its
answer, never another row of any split. Test answers are rated too, because they are scored: nothing that is said of
them reaches a prompt or a decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.backends.protocol import Completion, Request
from engine.identity import Params
from engine.rows import Example, Prediction, Rating
from engine.stages import schemas
from engine.stages.blocks import shown_row
from engine.stages.forecast import Forecast, Range, Situation
from engine.stages.outputs import Loaded, Predicted, Rated
from engine.stages.protocol import Account, Context, Inputs, Stage

PROMPT = "rate.md"


@dataclass(frozen=True, kw_only=True)
class RatedMetric(Params):
    """A metric that the judge rates answers for."""

    name: str
    rubric: str
    low: int
    high: int


@dataclass(frozen=True, kw_only=True)
class RateParams(Params):
    """The rubrics, and the base of the reply's schema."""

    metrics: tuple[RatedMetric, ...]
    schema: schemas.Schema
    description: str = ""


@dataclass(frozen=True)
class RateInputs(Inputs):
    """The rows and the answers to rate."""

    load: Loaded
    predict: Predicted


def rate(params: RateParams, inputs: RateInputs, ctx: Context) -> Rated:
    """Return one `Rating` per metric and answer, metric by metric; what the student could not be asked has none."""
    examples = {(e.split, e.id): e for e in inputs.load.examples}
    answered = _rated(inputs)
    if not answered:
        return Rated()
    asked = [
        (metric, schema, p)
        for metric in params.metrics
        for schema in [schemas.rating(params.schema, metric.low, metric.high)]
        for p in answered
    ]
    requests = (
        _request(params, metric, schema, examples[p.split, p.example], p, ctx)
        for metric, schema, p in asked
    )
    replies = ctx.ask("judge", requests)
    return Rated(
        tuple(
            _rating(metric.name, p, reply)
            for (metric, _, p), reply in zip(asked, replies, strict=True)
        )
    )


def _rated(inputs: RateInputs) -> list[Prediction]:
    """Return the answers to rate: not those to logged rows, as no logged output is rated either."""
    return [p for p in inputs.predict.answered if p.split != "logged"]


def _request(
    params: RateParams,
    metric: RatedMetric,
    schema: schemas.Schema,
    example: Example,
    prediction: Prediction,
    ctx: Context,
) -> Request:
    variables = {
        "description": params.description,
        "rubric": metric.rubric,
        "low": metric.low,
        "high": metric.high,
        "row": shown_row(example.inputs),
        "target": example.target,
        # What was said counts, also where no answer could be read from it.
        "answer": prediction.text if prediction.answer is None else prediction.answer,
    }
    return ctx.request("judge", ctx.prompt(PROMPT), variables, schema)


def _rating(metric: str, prediction: Prediction, reply: Completion) -> Rating:
    if reply.value is None:
        reason = f"no rating: {reply.error}"
        return Rating(prediction.example, prediction.split, metric, None, reason, reply.request)
    return Rating(
        prediction.example,
        prediction.split,
        metric,
        int(reply.value["rating"]),
        reply.value["reason"].strip(),
        reply.request,
    )


def _sends(params: RateParams) -> Mapping[str, str]:
    return {
        "row": "rows of all splits ({inputs})",
        "target": "their {target}",
        "answer": "the student's answers",
        "rubric": "",
        "low": "",
        "high": "",
    }


def _expect(params: RateParams, situation: Situation) -> Forecast:
    calls = situation.every_row * len(params.metrics)
    reply = schemas.reply_tokens(params.schema)
    return Forecast(situation.new(Range(calls, calls)), Range(1, 2), reply)


def _accounts(params: RateParams, inputs: RateInputs, output: Rated) -> Iterable[Account]:
    wanted = len(_rated(inputs)) * len(params.metrics)
    yield Account("answers to rate", wanted, len(output.ratings))


RATE = Stage(
    "rate", 1, RateParams, RateInputs, Rated, rate,
    description="The judge gives each answer marks, for the metrics that ask for that.",
    asks=("judge",),
    prompts={PROMPT: frozenset({"description", "rubric", "low", "high", "row", "target", "answer"})},
    replies=("rating",),
    sends=_sends, expect=_expect, accounts=_accounts,
)  # fmt: skip
