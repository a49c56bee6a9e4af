"""The runs of a store, one line each: what `pada runs` prints and the studio lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.store import holder, now, rows
from engine.store.cleaning import size_of

_SQL = """
SELECT u.id, c.name AS recipe, u.status, u.started, u.ended, u.note, u.worked,
  coalesce(u.resumed, u.started) AS since,
  json_extract_string(c.effective, '$.loop.stop.metric') AS metric,
  (SELECT count(*) FROM all_run_rows r WHERE r.run = u.id AND r.origin = 'done') AS done,
  (SELECT count(*) FROM all_run_rows r WHERE r.run = u.id AND r.origin = 'cached') AS cached,
  (SELECT coalesce(sum(k.calls), 0)::BIGINT FROM call_total k WHERE k.run = u.id) AS calls,
  (SELECT list(DISTINCT m.path) FROM model m JOIN all_run_rows r USING (node) WHERE r.run = u.id) AS models
FROM run u LEFT JOIN recipe c ON c.id = u.recipe
ORDER BY u.id
"""
_BEST = """
WITH d AS (
  SELECT r.run, r.seed, r.round, t.metric, t.value, t.best_round
  FROM decision t JOIN all_run_rows r USING (node) WHERE r.stage = 'decide'
), chosen AS (
  SELECT run, seed, metric, arg_max(best_round, round) AS round FROM d GROUP BY ALL
), kept AS (
  SELECT c.run, c.metric, avg(d.value) AS best, list_sort(list(DISTINCT c.round)) AS rounds
  FROM chosen c JOIN d ON (d.run, d.seed, d.metric, d.round) = (c.run, c.seed, c.metric, c.round)
  WHERE d.value IS NOT NULL GROUP BY ALL
), scored AS (
  SELECT run, metric, coalesce(max(value) FILTER (round >= 0), max(value)) AS best
  FROM all_leaderboard WHERE split = 'validation' GROUP BY ALL
)
SELECT s.run, s.metric, coalesce(k.best, s.best) AS best, coalesce(k.rounds, []) AS rounds
FROM scored s LEFT JOIN kept k USING (run, metric)
"""


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run as listed."""

    id: str
    recipe: str
    status: str
    """As stored, but `killed` where a run says `running` and its process is gone."""
    started: datetime
    """UTC."""
    minutes: float | None
    """At work, up to now for a live run; None where the end is not known."""
    done: int
    """Nodes it computed."""
    cached: int
    """Nodes reused from earlier runs."""
    calls: int
    """LLM calls it made itself."""
    metric: str
    best: float | None
    """Of `metric` on validation: the student that the stop rule chose (the mean over seeds); before it chose any, the
    best of those that are scored."""
    rounds: list[int]
    """Rounds of the students that it chose, one or one for each seed; empty before."""
    size: int
    """Bytes of the adapters it uses; runs may share them."""
    note: str


def list_runs(state: Path) -> list[RunLine]:
    """Return the runs of a store, oldest first; raises StoreError."""
    live = holder(state)
    best = {(row["run"], row["metric"]): row for row in rows(state, _BEST)}
    lines = []
    for row in rows(state, _SQL):
        running = row["status"] == "running"
        alive = running and live is not None and live.run == row["id"]
        ended = row["ended"] or (now() if alive else None)
        seconds = row["worked"] + (ended - row["since"]).total_seconds() if ended else None
        metric = row["metric"] or ""
        chosen = best.get((row["id"], metric), {})
        lines.append(
            RunLine(
                id=row["id"],
                recipe=row["recipe"] or "",
                status="killed" if running and not alive else row["status"],
                started=row["started"],
                minutes=None if seconds is None else seconds / 60,
                done=row["done"],
                cached=row["cached"],
                calls=row["calls"],
                metric=metric,
                best=chosen.get("best"),
                rounds=chosen.get("rounds", []),
                size=sum(size_of(state / path) for path in row["models"] or []),
                note=row["note"] or "",
            )
        )
    return lines
