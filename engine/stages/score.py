"""score: per-example scores, metrics with intervals, the generalization gap, and which predictions are failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.metrics import METRICS, Answered
from engine.metrics.bootstrap import Estimate
from engine.rows import (
    SPLITS,
    Drop,
    Example,
    Failure,
    Metric,
    Prediction,
    Rating,
    Row,
    Score,
    Split,
)
from engine.sql import evaluate_condition
from engine.stages.columns import golds_of, sql_row
from engine.stages.measure import Answers, by_label, chosen, estimates, names
from engine.stages.protocol import Context, Inputs, Output, Stage

Ratings = Mapping[tuple[str, str, str], int | None]
"""What the judge said, by split, example and metric."""


def score(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Score all splits; failures are taken from train and validation, never from test."""
    examples = {(e.split, e.id): e for e in inputs.of("load", Example)}
    predictions = inputs.of("predict", Prediction)
    ratings: Ratings = (
        {(r.split, r.example, r.metric): r.value for r in inputs.of("rate", Rating)}
        if "rate" in inputs
        else {}
    )
    rows: list[Row] = []
    answers: dict[Split, Answers] = {}
    for split in SPLITS:
        here = [p for p in predictions if p.split == split]
        answered = [p for p in here if p.status != "backend_failed"]
        rows.extend(
            Drop("score", p.example, "unscored", "the student could not be asked")
            for p in here if p.status == "backend_failed"
        )  # fmt: skip
        pairs = [(examples[split, p.example], p) for p in answered]
        answers[split] = _scored(params, pairs, ratings, rows)
        if split != "test":
            rows.extend(_failures(params["failure"], answered, answers[split].records))
    rows.extend(_metrics(params, {split: estimates(params, answers[split]) for split in SPLITS}))
    for split in SPLITS:
        rows.extend(by_label(params, split, answers[split]))
    return Output(tuple(rows))


def answered_of(example: Example, prediction: Prediction) -> Answered:
    """Return an example and its answer as metrics see them."""
    return Answered(
        answer=prediction.answer,
        golds=golds_of(example),
        text=prediction.text,
        confidence=prediction.confidence,
        reference_nats=prediction.reference_nats,
        reference_tokens=prediction.reference_tokens,
    )


def _scored(
    params: Mapping[str, Any],
    pairs: Sequence[tuple[Example, Prediction]],
    ratings: Ratings,
    rows: list[Row],
) -> Answers:
    """Return the answers with their scores; the scores join `rows`."""
    use = {name: (METRICS[name].score, chosen(params, name)) for name in params["metrics"]}
    items, records = [], []
    for example, prediction in pairs:
        item = answered_of(example, prediction)
        values = {name: value_of(item, given) for name, (value_of, given) in use.items()}
        for name in params.get("judge_metrics", []):
            rating = ratings.get((example.split, example.id, name))
            values[name] = None if rating is None else float(rating)
        rows.extend(Score(example.id, example.split, name, v) for name, v in values.items())
        items.append(item)
        records.append(sql_row(example, prediction, params["target"], values))
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


def _metrics(
    params: Mapping[str, Any], found: Mapping[Split, Mapping[str, Estimate]]
) -> list[Metric]:
    """Return each metric's row per split, without a value where it was not scored, and the gaps."""
    rows = []
    for name in names(params):
        rows += [_metric(split, name, found[split].get(name)) for split in SPLITS]
        for split in SPLITS[1:]:
            train, other = found["train"].get(name), found[split].get(name)
            if train and other:
                rows.append(_metric(f"gap_{split}", name, train.minus(other)))
    return rows


def _metric(split: str, name: str, one: Estimate | None) -> Metric:
    if one is None:
        return Metric(split, name, None, 0, None, None)
    value, low, high = one.interval()
    return Metric(split, name, value, one.n, low, high)


SCORE = Stage("score", 1, score)
