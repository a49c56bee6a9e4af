"""Reads how fast the students answered when they were served."""

from __future__ import annotations

from engine.report.records import MINE, Query, Speed


def collect_speeds(query: Query, run: str) -> tuple[Speed, ...]:
    """Return what was measured for a run: by round and seed, an endpoint's numbers last, then by concurrency."""
    rows = query(
        MINE + "SELECT seed, round, subject, server, concurrency, requests, failed, metric, mean, p50, p95"
        " FROM benchmark SEMI JOIN mine USING (node, run)"
        " ORDER BY subject = 'endpoint', round, seed, concurrency, position",
        [run],
    )  # fmt: skip
    speeds: dict[tuple[object, ...], Speed] = {}
    for row in rows:
        metric = row.pop("metric")
        figures = (row.pop("mean"), row.pop("p50"), row.pop("p95"))
        speed = speeds.setdefault(tuple(row.values()), Speed(**row, figures={}))
        speed.figures[metric] = figures
    return tuple(speeds.values())
