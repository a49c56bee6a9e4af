"""Reads what a run cost: LLM calls, paid now or reused, and the time of every node."""

from __future__ import annotations

from engine.report.records import Calls, NodeTime, Query

# The run's calls: those it made, those its nodes first asked for, and those its rows came from.
_CALLS = """
WITH mine AS (SELECT node FROM run_node WHERE run = ?), used AS (
  SELECT call FROM diagnosis WHERE node IN (FROM mine) UNION
  SELECT call FROM pattern WHERE node IN (FROM mine) UNION
  SELECT call FROM strategy WHERE node IN (FROM mine) UNION
  SELECT call FROM candidate WHERE node IN (FROM mine) UNION
  SELECT call FROM verdict WHERE node IN (FROM mine)
)
SELECT l.role, coalesce(n.stage, 'unfinished') AS stage, l.run <> ? AS reused, count(*) AS calls,
  count(l.error) AS errors, sum(l.prompt_tokens)::BIGINT AS prompt_tokens,
  sum(l.completion_tokens)::BIGINT AS completion_tokens, sum(l.seconds) AS seconds
FROM llm_call l LEFT JOIN node n ON n.id = l.node
WHERE l.run = ? OR l.node IN (FROM mine) OR l.id IN (SELECT call FROM used WHERE call IS NOT NULL)
GROUP BY ALL ORDER BY reused, l.role, stage
"""


def collect_calls(query: Query, run: str) -> tuple[Calls, ...]:
    """Return the calls behind the run's rows; the reused ones were paid by an earlier run."""
    return tuple(Calls(**row) for row in query(_CALLS, [run, run, run]))


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
