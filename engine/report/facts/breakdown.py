"""Reads what lies below the scores: slices, single labels, and what was answered for what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from engine.metrics import METRICS
from engine.report.records import MINE, Breakdown, Matrix, Measured, Query, over_seeds

LABELS_IN_MATRIX = 12
"""Most labels whose whole confusion matrix is shown."""


def collect_breakdown(query: Query, run: str, recipe: Mapping[str, Any]) -> Breakdown:
    """Return the metrics of slices and of single labels on test, over the seeds."""
    by_cell: dict[tuple[str, str, str, int], list[Measured]] = defaultdict(list)
    for r in query(
        MINE + "SELECT slice, part, metric, round, value, low, high, n FROM metric_slice"
        " SEMI JOIN mine USING (node, run) WHERE split = 'test' AND value IS NOT NULL ORDER BY position",
        [run],
    ):
        measured = Measured(r["value"], r["low"], r["high"], r["n"])
        by_cell[r["slice"], r["part"], r["metric"], r["round"]].append(measured)
    cells = {key: mean for key, cells in by_cell.items() if (mean := over_seeds(cells)) is not None}
    single = {m.by_label.name for m in METRICS.values() if m.by_label is not None}
    names = [s if isinstance(s, str) else str(s.get("name")) for s in recipe.get("slices", [])]
    parts = {
        name: tuple(dict.fromkeys(k[1] for k in cells if k[0] == name and k[2] not in single))
        for name in names
    }
    labels = tuple(dict.fromkeys(key[1] for key in cells if key[2] in single))
    return Breakdown(
        slices={name: values for name, values in parts.items() if values},
        target=str(recipe.get("task", {}).get("target", "")),
        labels=labels,
        cells=cells,
    )


def collect_matrix(
    query: Query, run: str, recipe: Mapping[str, Any], chosen: Mapping[int, int]
) -> Matrix | None:
    """Return what the chosen students answered for which label on test; None for many labels.

    `chosen` is the round of each seed's chosen student; where there is none yet, the last round counts.
    """
    if recipe.get("task", {}).get("kind") != "classification":
        return None
    rows = query(
        MINE + ", e AS (SELECT id, any_value(target) AS target FROM example"
        " SEMI JOIN mine USING (node, run) WHERE split = 'test' GROUP BY id),"
        " p AS (SELECT seed, round, example, answer FROM prediction SEMI JOIN mine USING (node, run)"
        " WHERE split = 'test' AND status <> 'backend_failed')"
        " SELECT p.seed, p.round, e.target, p.answer, count(*) AS n FROM p JOIN e ON e.id = p.example GROUP BY ALL",
        [run],
    )
    last = max((r["round"] for r in rows), default=0)
    rows = [r for r in rows if r["round"] == (chosen.get(r["seed"]) if chosen else last)]
    counts: Counter[tuple[str, str | None]] = Counter()
    for r in rows:
        counts[r["target"], r["answer"]] += r["n"]
    labels = sorted({r[key] for r in rows for key in ("target", "answer") if r[key] is not None})
    if not labels or len(labels) > LABELS_IN_MATRIX:
        return None
    return Matrix(
        rounds=tuple(sorted({r["round"] for r in rows})),
        labels=tuple(labels),
        counts=counts,
    )
