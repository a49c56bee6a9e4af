"""Reads what a run cost: LLM calls, paid now or reused, and the time of every node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.backends import BACKENDS
from engine.report.facts.json_columns import json_object, model_of
from engine.report.records import Calls, Forecast, NodeTime, Query

# The run's calls: those it made, those its nodes first asked for, and those its rows came from.
CALLS_BEHIND = """
WITH mine AS (
  SELECT r.node, n.run FROM run_node r JOIN node n ON n.id = r.node WHERE r.run = ?
), used AS (
  SELECT call FROM diagnosis SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM label_suspect SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM convention SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM pattern SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM pattern_test_row SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM strategy SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM row_call SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM verification SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM verdict SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM judge_anchor SEMI JOIN mine USING (node, run) UNION
  SELECT call FROM rating SEMI JOIN mine USING (node, run)
)
SELECT l.role, coalesce(n.stage, 'unfinished') AS stage, l.run <> ? AS reused, count(*) AS calls,
  count(l.error) AS errors, sum(json_array_length(l.tries))::BIGINT AS retries,
  coalesce(sum(l.prompt_tokens), 0)::BIGINT AS prompt_tokens,
  coalesce(sum(l.completion_tokens), 0)::BIGINT AS completion_tokens,
  count(*) FILTER (l.prompt_tokens IS NULL OR l.completion_tokens IS NULL) AS unmetered,
  sum(l.cached_tokens)::BIGINT AS cached_tokens, sum(l.reasoning_tokens)::BIGINT AS reasoning_tokens,
  sum(l.cost) AS cost, count(*) FILTER (l.cost IS NULL) AS unpriced, sum(l.seconds) AS seconds
FROM llm_call l LEFT JOIN node n ON n.id = l.node
WHERE l.run = ? OR l.node IN (SELECT node FROM mine) OR l.id IN (SELECT call FROM used WHERE call IS NOT NULL)
GROUP BY ALL ORDER BY reused, l.role, stage
"""


def collect_calls(query: Query, run: str, recipe: Mapping[str, Any]) -> tuple[Calls, ...]:
    """Return the calls behind the run's rows; the reused ones were paid by an earlier run."""
    groups = [Calls(**row) for row in query(CALLS_BEHIND, [run, run, run])]
    free = {role for role in ("teacher", "judge") if not _costs_money(role, recipe)}
    return tuple(
        replace(calls, unpriced=0) if calls.cost is None and calls.role in free else calls
        for calls in groups
    )


def _costs_money(role: str, recipe: Mapping[str, Any]) -> bool:
    """Return whether a role's calls may cost money; yes where the backend is not known any more."""
    backend = BACKENDS.get(model_of(recipe, role).get("backend", ""))
    return backend is None or backend.priced


def collect_forecast(query: Query, run: str, stored: Any) -> Forecast | None:
    """Return what the run was expected to take, from its column `estimate`; None where that says nothing."""
    estimate = json_object(stored) if stored else {}
    if not estimate or not (estimate["calls"][1] or estimate["steps"]):
        return None
    trained = query(
        "SELECT coalesce(sum(steps), 0)::BIGINT AS n FROM model WHERE run = ? AND NOT interim",
        [run],
    )
    return Forecast(
        calls=_ends(estimate["calls"]) or (0, 0),
        tokens=_ends(estimate["tokens"]) or (0, 0),
        money=_ends(estimate["money"]),
        minutes=_ends(estimate["minutes"]),
        steps=int(estimate["steps"]),
        trained=int(trained[0]["n"]),
        unpriced=tuple(estimate["unpriced"]),
    )


def _ends(ends: Sequence[float] | None) -> tuple[float, float] | None:
    return (ends[0], ends[1]) if ends else None


def collect_nodes(query: Query, run: str) -> tuple[NodeTime, ...]:
    """Return the nodes of the run in plan order with their wall time."""
    rows = query(
        "SELECT rn.name, coalesce(n.stage, '') AS stage, rn.status,"
        " coalesce(epoch(n.ended) - epoch(n.started), 0) AS seconds"
        " FROM run_node rn LEFT JOIN node n ON n.id = rn.node WHERE rn.run = ?"
        " ORDER BY rn.position",
        [run],
    )
    return tuple(NodeTime(r["name"], r["stage"], r["status"], float(r["seconds"])) for r in rows)
