"""Reads a run's metrics, and why its loop went on or ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.metrics import METRICS
from engine.report.records import MINE, LoopDecision, Measured, Query, Scores, Unread
from engine.rows import CONTROL


def collect_scores(query: Query, run: str, recipe: Mapping[str, Any]) -> Scores:
    """Return all metric rows of a run; `recipe` is the effective recipe."""
    rows = query(
        MINE + "SELECT seed, round, split, metric, value, n, low, high FROM metric "
        " SEMI JOIN mine USING (node, run)",
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
        percent=frozenset(m for m in metrics if is_share(m)),
        lower=frozenset(m for m in metrics if m in METRICS and METRICS[m].lower_is_better),
        unscored=frozenset((r["metric"], r["split"], r["round"]) for r in rows) - scored,
        seeds=tuple(sorted({r["seed"] for r in rows})),
        rounds=tuple(sorted({r["round"] for r in rows} - {CONTROL})),
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


def collect_unread(query: Query, run: str) -> tuple[Unread, ...]:
    """Return the students of whose answers half or more could not be read."""
    rows = query(
        MINE
        + "SELECT round, count(*) AS answers, count(*) FILTER (status = 'unparsable') AS unread,"
        " arg_min(text, (split = 'test', seed, position)) FILTER (status = 'unparsable') AS first"
        " FROM prediction SEMI JOIN mine USING (node, run) WHERE status <> 'backend_failed'"
        " GROUP BY round HAVING unread >= answers / 2 ORDER BY round",
        [run],
    )
    return tuple(Unread(**row) for row in rows)


def is_share(metric: str) -> bool:
    """Return whether a metric lies between 0 and 1 and is shown as a percentage."""
    return metric in METRICS and METRICS[metric].share


def collect_decisions(
    query: Query, run: str, recipe: Mapping[str, Any]
) -> tuple[LoopDecision, ...]:
    """Return why the loop went on or ended, per seed and round: by the scores, then by the rows."""
    rows = query(
        MINE
        + "SELECT d.seed, d.round, n.stage, d.go_on, d.reason, d.metric, d.value, d.best_round,"
        " d.rolled_back"
        " FROM decision d SEMI JOIN mine USING (node, run) JOIN node n ON n.id = d.node"
        " ORDER BY d.seed, d.round, n.stage",
        [run],
    )
    min_gain = recipe.get("loop", {}).get("stop", {}).get("min_gain")
    return tuple(LoopDecision(**row, min_gain=min_gain) for row in rows)
