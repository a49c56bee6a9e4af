"""What the store knows of the patterns of a recipe's earlier runs: each where it was first seen, and as last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.store.columns import PatternOriginRow

if TYPE_CHECKING:
    import duckdb


class Sighting(NamedTuple):
    """A pattern of earlier runs as it was last seen."""

    origin: PatternOriginRow
    members: frozenset[str]
    """Examples."""
    centre: tuple[float, ...]
    category: str | None
    embedder: str
    """Identity of the model that its diagnoses were embedded by."""


_LATEST = """
WITH o AS (
  SELECT o.* FROM pattern_origin o JOIN run r ON r.id = o.run JOIN recipe c ON c.id = r.recipe
  WHERE c.name = ? AND o.run <> ?
  QUALIFY row_number() OVER (
    PARTITION BY o.first_run, o.first_seed, o.first_pattern
    ORDER BY coalesce(r.resumed, r.started) DESC, o.run DESC, o.seed DESC
  ) = 1
), n AS (
  SELECT rn.run, n.id AS node, n.stage, n.seed, n.round, n.identity FROM run_node rn JOIN node n ON n.id = rn.node
  WHERE rn.run IN (SELECT run FROM o) AND n.stage IN ('name', 'cluster') AND rn.status <> 'skipped'
), p AS (
  SELECT n.run, n.seed, t.id, arg_max(t.centroid, t.round) AS centre, arg_max(t.category, t.round) AS category,
    max(t.round) AS round
  FROM n JOIN pattern t USING (node) GROUP BY ALL
), m AS (
  SELECT n.run, n.seed, t.pattern, list(DISTINCT t.example) AS members,
    any_value(json_extract_string(n.identity, '$.models.embedder[0]')) AS embedder
  FROM n JOIN pattern_member t USING (node) GROUP BY ALL
)
SELECT o.* EXCLUDE (run, seed, pattern), o.run, o.seed, o.pattern, p.centre, p.category, m.members, m.embedder
FROM o JOIN p ON p.run = o.run AND p.seed = o.seed AND p.id = o.pattern
JOIN m ON m.run = o.run AND m.seed = o.seed AND m.pattern = o.pattern
ORDER BY o.first_run, o.first_seed, o.first_pattern
"""


def sightings(connection: duckdb.DuckDBPyConnection, recipe: str, run: str) -> list[Sighting]:
    """Return each pattern of the runs of a recipe, by its name, but one, once: as it was last seen."""
    cursor = connection.execute(_LATEST, [recipe, run])
    names = [column[0] for column in cursor.description or ()]
    found = []
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        members, centre = row.pop("members"), row.pop("centre")
        category, embedder = row.pop("category"), row.pop("embedder")
        origin = PatternOriginRow(**row)
        found.append(Sighting(origin, frozenset(members), tuple(centre), category, embedder or ""))
    return found
