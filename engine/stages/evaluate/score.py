"""score: per-example scores, metrics with intervals, the generalization gap, and which predictions are failures.

Reads the rows, the answers and the judge's ratings; writes `Score`, `Metric`, `MetricSlice` (one per label), `Failure`
(on train, validation and logged rows, never on test), and a `Drop` for every row that the student could not be asked
about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.metrics import Answered
from engine.metrics.bootstrap import Estimate
from engine.rows import (
    SPLITS,
    Drop,
    Example,
    Failure,
    Metric,
    MetricSlice,
    Prediction,
    Row,
    Score,
    Split,
)
from engine.sql import evaluate_condition
from engine.stages.division import Divide, selection_part
from engine.stages.evaluate.measure import Answers, Measures, by_label, estimates, tallied
from engine.stages.outputs import Loaded, Logged, Predicted, Rated, Scored
from engine.stages.protocol import Account, Context, Inputs, Stage
from engine.stages.task_view import sql_row

Ratings = Mapping[tuple[str, str, str], int | None]
"""What the judge said, by split, example and metric."""


@dataclass(frozen=True, kw_only=True)
class ScoreParams(Measures):
    """What is measured, and which predictions count as failures."""

    failure: str
    """SQL condition on a row's columns, its `prediction` and its scores."""
    divide: Divide = "auto"
    """Whether the part of validation that stops and chooses is measured for itself."""


@dataclass(frozen=True)
class ScoreInputs(Inputs):
    """The rows, the answers, and ratings where a metric has a rubric."""

    load: Loaded
    predict: Predicted
    rate: Rated | None = None
    logged: Logged | None = None
    """Rows of a log, where the student was asked about them."""

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that were asked about, those of the data first."""
        return SPLITS if self.logged is None else (*SPLITS, "logged")


def score(params: ScoreParams, inputs: ScoreInputs, ctx: Context) -> Scored:
    """Score all splits; failures are taken from all but test."""
    log = inputs.logged.answered if inputs.logged else ()
    examples = {(e.split, e.id): e for e in (*inputs.load.examples, *log)}
    ratings: Ratings = {
        (r.split, r.example, r.metric): r.value
        for r in (inputs.rate.ratings if inputs.rate else ())
    }
    rows: list[Row] = []
    measured: dict[Split, Mapping[str, Estimate]] = {}
    of_part: list[Metric] = []
    of_labels: list[MetricSlice] = []
    # Split by split: the answers of one are done with before those of the next are in memory.
    for split in inputs.splits:
        here = [p for p in inputs.predict.predictions if p.split == split]
        answered = [p for p in here if p.status != "backend_failed"]
        rows.extend(
            Drop("score", p.example, "unscored", "the student could not be asked")
            for p in here if p.status == "backend_failed"
        )  # fmt: skip
        pairs = ((examples[split, p.example], p) for p in answered)
        answers = scored(params, pairs, ratings, rows)
        if split != "test":
            rows.extend(_failures(params.failure, answered, answers.records))
        own = tallied(params, answers)
        measured[split] = estimates(params, answers, own)
        if split == "validation" and (part := selection_part(inputs.load, params.divide)):
            of_part = _of_part(params, part, inputs.predict, answers)
        if split in SPLITS:
            of_labels += by_label(params, split, own)
    return Scored((*rows, *_metrics(params, measured), *of_part, *of_labels))


def answered_of(example: Example, prediction: Prediction) -> Answered:
    """Return an example and its answer as metrics see them."""
    return Answered(
        answer=prediction.answer,
        references=example.references,
        text=prediction.text,
        confidence=prediction.confidence,
        reference_nats=prediction.reference_nats,
        reference_tokens=prediction.reference_tokens,
    )


def scored(
    measures: Measures,
    pairs: Iterable[tuple[Example, Prediction]],
    ratings: Ratings,
    rows: list[Row],
) -> Answers:
    """Return the answers with their scores; the scores join `rows`."""
    items, records = [], []
    for example, prediction in pairs:
        item = answered_of(example, prediction)
        values = {used.name: used.value_of(item) for used in measures.metrics}
        for name in measures.judge_metrics:
            rating = ratings.get((example.split, example.id, name))
            values[name] = None if rating is None else float(rating)
        rows.extend(Score(example.id, example.split, name, v) for name, v in values.items())
        items.append(item)
        records.append(sql_row(example, prediction, measures.target, values))
    return Answers(items, records)


def _failures(
    predicate: str, predictions: Sequence[Prediction], records: Sequence[Mapping[str, Any]]
) -> list[Failure]:
    holds = evaluate_condition(predicate, records)
    return [
        Failure(p.example, p.split, p.answer, str(record["target"]), predicate)
        for p, record, failed in zip(predictions, records, holds, strict=True)
        if failed
    ]


def _metrics(measures: Measures, computed: Mapping[Split, Mapping[str, Estimate]]) -> list[Metric]:
    """Return each metric's row per split, without a value where it was not scored, and the gaps."""
    rows = []
    for name in measures.names:
        rows += [_metric(split, name, known.get(name)) for split, known in computed.items()]
        for split in SPLITS[1:]:
            train, other = computed["train"].get(name), computed[split].get(name)
            if train and other:
                rows.append(_metric(f"gap_{split}", name, train.minus(other)))
    return rows


def _of_part(
    measures: Measures, part: frozenset[str], predict: Predicted, answers: Answers
) -> list[Metric]:
    """Return each metric over the validation rows that stop and choose."""
    answered = [p.example for p in predict.answered if p.split == "validation"]
    chosen = answers.at(place for place, example in enumerate(answered) if example in part)
    computed = estimates(measures, chosen)
    return [_metric("validation_selection", name, computed.get(name)) for name in measures.names]


def _metric(split: str, name: str, one: Estimate | None) -> Metric:
    if one is None:
        return Metric(split, name, None, 0, None, None)
    value, low, high = one.interval()
    return Metric(split, name, value, one.n, low, high)


def _accounts(params: ScoreParams, inputs: ScoreInputs, output: Scored) -> Iterable[Account]:
    answered = len(inputs.predict.answered)
    yield Account("answers", len(inputs.predict.predictions), answered, len(output.drops))
    per_answer = len(params.metrics) + len(params.judge_metrics)
    yield Account("scores of answers", answered * per_answer, len(output.scores))


SCORE = Stage(
    "score", 2, ScoreParams, ScoreInputs, Scored, score,
    description="Scores every answer, and says which are failures.",
    accounts=_accounts,
)  # fmt: skip
