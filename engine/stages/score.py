"""score: per-example scores, metrics with intervals, the generalization gap, and which predictions are failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.metrics import METRICS, Scored
from engine.metrics.bootstrap import Estimate, estimate, indices
from engine.rows import SPLITS, Drop, Example, Failure, Metric, Prediction, Row, Score
from engine.sql import evaluate_aggregate, evaluate_condition
from engine.stages.columns import sql_row
from engine.stages.protocol import Context, Inputs, Output, Stage

Records = Sequence[Mapping[str, Any]]


def score(params: Mapping[str, Any], inputs: Inputs, ctx: Context) -> Output:
    """Score all splits; failures are taken from train and validation, never from test."""
    examples = {(e.split, e.id): e for e in inputs.of("load", Example)}
    predictions = inputs.of("predict", Prediction)
    rows: list[Row] = []
    estimates: dict[str, dict[str, Estimate]] = {}
    for split in SPLITS:
        here = [p for p in predictions if p.split == split]
        answered = [p for p in here if p.status != "backend_failed"]
        rows.extend(
            Drop("score", p.example, "unscored", "the student could not be asked")
            for p in here if p.status == "backend_failed"
        )  # fmt: skip
        records: list[dict[str, Any]] = []
        for prediction in answered:
            example = examples[split, prediction.example]
            values = {
                name: METRICS[name].score(prediction.answer, example.target)
                for name in params["metrics"]
            }
            rows.extend(Score(example.id, split, name, value) for name, value in values.items())
            records.append(sql_row(example, prediction, params["target"], values))
        if split != "test":
            rows.extend(_failures(params["failure"], answered, records))
        estimates[split] = _estimates(params, records)
    rows.extend(_metrics(estimates, {s: sum(p.split == s for p in predictions) for s in SPLITS}))
    return Output(tuple(rows))


def _failures(predicate: str, predictions: Sequence[Prediction], records: Records) -> list[Failure]:
    holds = evaluate_condition(predicate, records)
    return [
        Failure(p.example, p.split, p.answer, str(record["target"]), predicate)
        for p, record, failed in zip(predictions, records, holds, strict=True)
        if failed
    ]


def _estimates(params: Mapping[str, Any], records: Records) -> dict[str, Estimate]:
    """Return every metric that can be computed on these records; one that cannot is left out, not zero."""
    found: dict[str, Estimate] = {}
    for name in params["metrics"]:
        scored = [record for record in records if record[name] is not None]
        if scored:
            split = Scored(
                [str(r["target"]) for r in scored],
                [r["prediction"] for r in scored],
                [float(r[name]) for r in scored],
            )
            found[name] = estimate(METRICS[name].statistic, split, params["bootstrap_seed"])
    for metric in params["sql_metrics"]:
        if records and (value := _sql_estimate(metric["sql"], records, params["bootstrap_seed"])):
            found[metric["name"]] = value
    return found


def _sql_estimate(sql: str, records: Records, seed: int) -> Estimate | None:
    import numpy as np

    value = evaluate_aggregate(sql, records)
    if value is None:
        return None
    drawn = evaluate_aggregate(sql, records, draws=indices(len(records), seed))
    return Estimate(value, np.array([np.nan if v is None else v for v in drawn], dtype=np.float64))


def _metrics(
    estimates: Mapping[str, Mapping[str, Estimate]], counts: Mapping[str, int]
) -> list[Metric]:
    names = sorted({name for found in estimates.values() for name in found})
    rows = []
    for name in names:
        for split in SPLITS:
            if one := estimates[split].get(name):
                value, low, high = one.interval()
                rows.append(Metric(split, name, value, counts[split], low, high))
            else:
                rows.append(Metric(split, name, None, counts[split], None, None))
        for split in ("validation", "test"):
            train, other = estimates["train"].get(name), estimates[split].get(name)
            if train and other:
                value, low, high = train.minus(other)
                n = min(counts["train"], counts[split])
                rows.append(Metric(f"gap_{split}", name, value, n, low, high))
    return rows


SCORE = Stage("score", 1, score)
