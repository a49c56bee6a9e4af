"""Reads where diagnoses lie on the map of their seed, as the clustering placed them by their embeddings."""

from __future__ import annotations

from engine.report.dossier import POINTS, DiagnosisPoint
from engine.report.records import MINE, Query

# Ids are hashes, so their order is as good as random, and stable.
_SQL = (
    MINE
    + """, o AS (
  SELECT seed, round, diagnosis, x, y FROM diagnosis_place SEMI JOIN mine USING (node, run)
  ORDER BY diagnosis, seed, round LIMIT ?
), d AS (
  SELECT seed, round, id AS diagnosis, example, root_cause, scenario FROM diagnosis SEMI JOIN mine USING (node, run)
), m AS (
  SELECT seed, round, diagnosis, pattern FROM pattern_member SEMI JOIN mine USING (node, run)
), n AS (
  SELECT seed, round, id AS pattern, name FROM pattern SEMI JOIN mine USING (node, run)
)
SELECT o.seed, o.round, o.x, o.y, d.root_cause, d.scenario, d.example, coalesce(n.name, '') AS pattern,
  coalesce(n.pattern, '') AS pattern_id
FROM o JOIN d USING (seed, round, diagnosis) LEFT JOIN m USING (seed, round, diagnosis)
LEFT JOIN n USING (seed, round, pattern)
ORDER BY o.seed, o.diagnosis, o.round
"""
)


def collect_points(query: Query, run: str, cap: int = POINTS) -> tuple[DiagnosisPoint, ...]:
    """Return up to `cap` diagnoses of a run with their places, by seed.

    Coordinates are within -1 to 1, each axis stretched so that the seed's diagnoses fill it. Seeds with fewer than
    three diagnoses that are told apart have no map.
    """
    rows = query(_SQL, [run, cap])
    most: dict[tuple[int, str], float] = {}
    for row in rows:
        for axis in ("x", "y"):
            key = row["seed"], axis
            most[key] = max(most.get(key, 0.0), abs(row[axis]))
    for row in rows:
        for axis in ("x", "y"):
            row[axis] /= most[row["seed"], axis] or 1.0
    return tuple(DiagnosisPoint(**row) for row in rows)
