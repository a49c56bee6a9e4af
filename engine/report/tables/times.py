"""Wall time per stage and node."""

from __future__ import annotations

from engine.report.formatting import count, duration
from engine.report.records import Report
from engine.report.tables.table import Table, titled


def stage_seconds(report: Report) -> dict[str, tuple[float, int, int]]:
    """Return per stage this run's own seconds, its own nodes, and the cached nodes."""
    by_stage: dict[str, tuple[float, int, int]] = {}
    for node in report.nodes:
        seconds, own, cached = by_stage.get(node.stage or "(unfinished)", (0.0, 0, 0))
        done = node.status == "done"
        by_stage[node.stage or "(unfinished)"] = (
            seconds + (node.seconds if done else 0.0),
            own + done,
            cached + (node.status == "cached"),
        )
    return dict(sorted(by_stage.items(), key=lambda item: (-item[1][0], item[0])))


def time_table(report: Report) -> Table:
    """Return the wall time per stage."""
    titles = ("nodes run", "nodes cached", "wall time")
    rows = tuple(
        (stage, count(own), count(cached), duration(seconds))
        for stage, (seconds, own, cached) in stage_seconds(report).items()
    )
    return Table(
        "Wall time per stage",
        titled("stage", *titles, numbers=titles),
        rows,
        "A cached node took no time in this run.",
    )


def node_table(report: Report) -> Table:
    """Return every node in plan order."""
    rows = tuple((n.name, n.status, duration(n.seconds)) for n in report.nodes)
    return Table(
        "Every node in plan order",
        titled("node", "status", "wall time", numbers=("wall time",)),
        rows,
        "A cached node's time was spent in the run that made it.",
    )
