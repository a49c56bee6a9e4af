"""Reads a run's metrics and sums up in one sentence what the data allow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.metrics import METRICS
from engine.report.formatting import points, round_name
from engine.report.records import (
    MINE,
    Comparison,
    Headline,
    LoopDecision,
    Measured,
    Query,
    Scores,
)

RESAMPLES = 2000
"""Bootstrap resamples: the interval's ends move by less than 0.1 points from seed to seed."""


def collect_scores(query: Query, run: str, recipe: Mapping[str, Any]) -> Scores:
    """Return all metric rows of a run; `recipe` is the effective recipe."""
    rows = query(
        MINE + "SELECT seed, round, split, metric, value, n, low, high FROM metric "
        " SEMI JOIN mine USING (node)",
        [run],
    )
    cells = {
        (r["metric"], r["split"], r["round"], r["seed"]): Measured(
            r["value"], r["low"], r["high"], r["n"]
        )
        for r in rows
        if r["value"] is not None
    }
    scored = {key[:3] for key in cells}
    metrics = _metric_order(recipe, {r["metric"] for r in rows})
    stop_metric = str(recipe.get("loop", {}).get("stop", {}).get("metric", ""))
    primary = stop_metric if stop_metric in metrics or not metrics else metrics[0]
    ordered = tuple(sorted(metrics, key=lambda name: name != primary))
    return Scores(
        primary=primary,
        metrics=ordered,
        percent=frozenset(m for m in metrics if m in METRICS and METRICS[m].share),
        lower=frozenset(m for m in metrics if m in METRICS and METRICS[m].lower_is_better),
        unscored=frozenset((r["metric"], r["split"], r["round"]) for r in rows) - scored,
        seeds=tuple(sorted({r["seed"] for r in rows})),
        rounds=tuple(sorted({r["round"] for r in rows})),
        cells=cells,
    )


def _metric_order(recipe: Mapping[str, Any], measured: set[str]) -> list[str]:
    in_recipe = [
        metric if isinstance(metric, str) else str(metric.get("name"))
        for metric in recipe.get("metrics", [])
    ]
    return [metric for metric in in_recipe if metric in measured] + sorted(
        measured - set(in_recipe)
    )


def collect_decisions(query: Query, run: str) -> tuple[LoopDecision, ...]:
    """Return why the loop went on or ended, per seed and round: by the scores, then by the rows."""
    rows = query(
        MINE + "SELECT d.seed, d.round, n.stage, d.go_on, d.reason, d.metric, d.value, d.best_round"
        " FROM decision d SEMI JOIN mine USING (node) JOIN node n ON n.id = d.node"
        " ORDER BY d.seed, d.round, n.stage",
        [run],
    )
    return tuple(LoopDecision(**row) for row in rows)


def compare(query: Query, run: str, scores: Scores, before: int, after: int) -> Comparison | None:
    """Compare the students of two rounds on test; None without scores of both.

    Only test examples that both were scored on count, paired; seeds are averaged per example. What is no mean of
    examples (macro F1, BLEU) is no mean of their differences: there the two values are compared.
    """
    rows = query(
        MINE + ", s AS (SELECT seed, round, example, value FROM score "
        " SEMI JOIN mine USING (node)"
        " WHERE split = 'test' AND metric = ? AND value IS NOT NULL)"
        " SELECT b.example, avg(a.value - b.value) AS difference FROM s b JOIN s a"
        " ON a.example = b.example AND a.seed = b.seed WHERE b.round = ? AND a.round = ?"
        " GROUP BY b.example ORDER BY b.example",
        [run, scores.primary, before, after],
    )
    if rows and (scores.primary not in METRICS or METRICS[scores.primary].is_mean):
        return _paired(before, after, [float(r["difference"]) for r in rows])
    first = scores.at(scores.primary, "test", before)
    last = scores.at(scores.primary, "test", after)
    if first is None or last is None:
        return None
    return Comparison(
        before=before,
        after=after,
        difference=last.value - first.value,
        low=None,
        high=None,
        n=last.n,
        better=0,
        worse=0,
        overlap=_overlap(first, last),
    )


def _overlap(a: Measured, b: Measured) -> bool:
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return True
    return a.low <= b.high and b.low <= a.high


def _paired(before: int, after: int, differences: list[float]) -> Comparison:
    import numpy as np

    values = np.asarray(differences)
    generator = np.random.default_rng(0)
    # A resample at a time keeps memory flat for large test splits.
    means = [
        float(values[generator.integers(0, len(values), len(values))].mean())
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return Comparison(
        before=before,
        after=after,
        difference=float(values.mean()),
        low=float(low),
        high=float(high),
        n=len(values),
        better=int((values > 0).sum()),
        worse=int((values < 0).sum()),
        overlap=bool(low <= 0 <= high),
    )


def headline(query: Query, run: str, scores: Scores) -> Headline:
    """Return the outcome: last round against round 0, or round 0 against the untuned student."""
    tested = [r for r in scores.rounds if scores.at(scores.primary, "test", r) is not None]
    if not tested:
        return Headline("No student has been scored on the test rows yet.", "unclear", None)
    after = tested[-1]
    before = 0 if after > 0 and 0 in tested else -1
    comparison = compare(query, run, scores, before, after) if before in tested[:-1] else None
    if comparison is None:
        return Headline(_single(scores, after), "unclear", None)
    return _sentence(comparison, scores)


def _single(scores: Scores, round_: int) -> str:
    name = round_name(round_, capital=True)
    return (
        f"{name} is the only student scored on the test rows so far, so there is nothing to "
        f"compare it with."
    )


def _certainty(comparison: Comparison, scores: Scores) -> str:
    if comparison.low is None or comparison.high is None:
        return (
            "the intervals of the two rounds overlap"
            if comparison.overlap
            else "the intervals do not overlap"
        )
    percent = scores.primary in scores.percent
    low = points(comparison.low, percent, signed=True, unit=False)
    high = points(comparison.high, percent, signed=True)
    return f"95% interval of the paired difference {low} to {high}, n = {comparison.n:,}"


def _sentence(comparison: Comparison, scores: Scores) -> Headline:
    how = _certainty(comparison, scores)
    size = points(abs(comparison.difference), scores.primary in scores.percent)
    unit = f" of {scores.primary}"
    after = round_name(comparison.after, capital=True)
    before = round_name(comparison.before)
    if comparison.difference == 0:
        return Headline(
            f"{after} and {before} score the same on test ({how}).", "unclear", comparison
        )
    up = comparison.difference > 0
    better = up != (scores.primary in scores.lower)
    if comparison.overlap:
        where = "above" if up else "below"
        reason = (
            "the interval includes zero" if comparison.low is not None else "that is within error"
        )
        return Headline(
            f"{after} is {size}{unit} {where} {before} on test ({how});"
            f" {reason}, so it may be noise.",
            "unclear",
            comparison,
        )
    verb = "beats" if better else "falls behind"
    return Headline(
        f"{after} {verb} {before} on test by {size}{unit} ({how}):"
        " more than chance among these test rows.",
        "good" if better else "bad",
        comparison,
    )
