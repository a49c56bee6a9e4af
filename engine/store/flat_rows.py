"""What is laid flat, in SQL: for each kind of views, its tables and the SELECTs of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """Views that change together: they show the same nodes of a round."""

    tables: tuple[str, ...]
    """A round's nodes that write one of these make its part; rows of the loaded data are read besides."""
    flat: Mapping[str, str]
    """Flat table -> the SELECT of its rows, in order. `{failure}` stands for that table's rows of the part's nodes."""


_FAILURES = """
SELECT {part}, f.split, f.example, e.inputs, f.target, f.answer, p.text, p.status, p.confidence, f.predicate,
  d.root_cause, d.scenario, m.pattern, n.name, n.category, e.columns
FROM {failure} f
LEFT JOIN (
  SELECT id, split, any_value(inputs) AS inputs, any_value(columns) AS columns FROM {example} GROUP BY ALL
) e ON e.id = f.example AND e.split = f.split
LEFT JOIN {prediction} p ON p.split = f.split AND p.example = f.example AND p.round = f.round
LEFT JOIN (
  SELECT example, any_value(root_cause) AS root_cause, any_value(scenario) AS scenario FROM {diagnosis} GROUP BY ALL
) d ON d.example = f.example AND f.split IN ('validation', 'logged')
LEFT JOIN (SELECT example, any_value(pattern) AS pattern FROM {pattern_member} GROUP BY ALL) m
  ON m.example = f.example AND f.split IN ('validation', 'logged')
LEFT JOIN (SELECT id, any_value(name) AS name, any_value(category) AS category FROM {pattern} GROUP BY ALL) n
  ON n.id = m.pattern
-- Round 0 looks at what was logged (in no round: -1), later ones at what their student says when it is asked again.
WHERE f.split <> 'logged' OR f.round > 0
  OR (f.round = 0 AND f.example NOT IN (SELECT example FROM {failure} WHERE split = 'logged' AND round = -1))
  OR (f.round = -1 AND f.example NOT IN (SELECT example FROM {prediction} WHERE split = 'logged' AND round > 0))
ORDER BY m.pattern, f.position
"""
# Sorted by pattern: a question about one reads its rows alone, and its texts are stored once.

_MEMBERS = "SELECT {part}, pattern, count(*) FROM {pattern_member} GROUP BY pattern"

_COUNTS = """
SELECT {part}, (SELECT count(*) FROM {prediction} WHERE split = 'validation'),
  (SELECT count(*) FROM {failure} WHERE split = 'validation')
"""

# A name in one place, for DuckDB to write it once.
_PROPOSALS = """
SELECT {part}, trim(d.proposed) AS name, d.example, d.scenario
FROM {diagnosis} d
WHERE trim(d.proposed) <> '' AND d.mendable AND NOT d.suspect
  AND d.id NOT IN (SELECT diagnosis FROM {pattern_member} WHERE starts_with(pattern, 'category:'))
ORDER BY lower(name), d.position
"""

_CONFUSION = """
SELECT {part}, p.split, e.target, p.answer, count(*)
FROM {prediction} p
JOIN (SELECT id, split, any_value(target) AS target FROM {example} GROUP BY ALL) e
  ON e.id = p.example AND e.split = p.split
WHERE p.status <> 'backend_failed' AND (p.split <> 'logged' OR p.round <> -1
  OR p.example NOT IN (SELECT example FROM {prediction} WHERE split = 'logged' AND round <> -1))
GROUP BY ALL ORDER BY ALL
"""

_CANDIDATES = """
SELECT {part}, c.attempt, c.id, c.operator, c.inputs, c.target, c.parent, e.inputs, e.target, c.pattern, n.name,
  n.category, n.size, c.strategy, s.text, v.accepted, v.reason, v.detail, v.feedback, v.adherence, v.utility,
  v.relevance, v.judge_agrees, v.similarity, v.neighbour, l.reason, j.example, c.prompt, c.model, c.call, v.call,
  n.split_from, CASE WHEN w.verdict <> 'reject' THEN 'person' ELSE c.label_source END,
  v.verified OR coalesce(w.verdict <> 'reject', false), i.source, i.line, x.replaces, w.verdict,
  CASE WHEN w.verdict IN ('edit', 'relabel') THEN w.inputs END,
  CASE WHEN w.verdict IN ('edit', 'relabel') THEN w.target END
FROM (SELECT t.*, o.attempt AS tried FROM {candidate} t JOIN node o ON o.id = t.node) c
LEFT JOIN (SELECT t.*, o.attempt AS tried FROM {verdict} t JOIN node o ON o.id = t.node) v
  ON v.tried = c.tried AND v.candidate = c.id
LEFT JOIN (
  SELECT id, any_value(inputs) AS inputs, any_value(target) AS target FROM {example} WHERE split = 'train' GROUP BY id
) e ON e.id = c.parent
LEFT JOIN (
  SELECT id, any_value(name) AS name, any_value(category) AS category, any_value(size) AS size,
    any_value(split_from) AS split_from
  FROM {pattern} GROUP BY id
) n ON n.id = c.pattern
LEFT JOIN (SELECT id, any_value(text) AS text FROM {strategy} GROUP BY id) s ON s.id = c.strategy
LEFT JOIN (SELECT candidate, any_value(example) AS example FROM {selected} GROUP BY candidate) j ON j.candidate = c.id
LEFT JOIN (SELECT item, any_value(reason) AS reason FROM {drop} WHERE stage = 'select' GROUP BY item) l ON l.item = c.id
LEFT JOIN (
  SELECT candidate, any_value(source) AS source, any_value(line) AS line FROM {mined} WHERE candidate IS NOT NULL
  GROUP BY candidate
) i ON i.candidate = c.id
LEFT JOIN (
  SELECT item, any_value(verdict) AS verdict, any_value(inputs) AS inputs, any_value(target) AS target FROM {reviewed}
  WHERE refused = '' GROUP BY item
) w ON w.item = c.id
LEFT JOIN (
  SELECT id, any_value(columns->>'replaces') AS replaces FROM {example} WHERE source = 'generated' GROUP BY id
) x ON x.id = j.example
ORDER BY c.pattern, c.tried, c.position
"""

_FUNNEL = """
WITH c AS (SELECT * FROM flat_candidate WHERE part = {part}),
counted AS (
  SELECT count(*) AS generated, count(*) FILTER (accepted) AS accepted, count(example) AS selected FROM c
)
SELECT {part}, 0, 'not generated', reason, count(*) FROM {drop} WHERE stage IN ('generate', 'mine') GROUP BY ALL
UNION ALL SELECT {part}, 1, 'generated', NULL, generated FROM counted WHERE generated > 0
UNION ALL SELECT {part}, 2, 'rejected', reason, count(*) FROM c WHERE NOT accepted GROUP BY ALL
UNION ALL SELECT {part}, 3, 'accepted', NULL, accepted FROM counted WHERE generated > 0
UNION ALL SELECT {part}, 3, 'accepted by people', NULL, count(*) FROM c
  WHERE NOT accepted AND person IN ('accept', 'edit', 'relabel') HAVING count(*) > 0
UNION ALL SELECT {part}, 4, 'left out', left_out, count(*) FROM c WHERE accepted AND left_out IS NOT NULL GROUP BY ALL
UNION ALL SELECT {part}, 5, 'selected', NULL, selected FROM counted WHERE generated > 0
"""

_YIELD = """
WITH a AS (
  SELECT pattern, strategy, operator, candidate, accepted, example, NULL::VARCHAR AS call, 0 AS rows
  FROM flat_candidate WHERE part = {part}
  UNION ALL
  SELECT pattern, strategy, operator, NULL, NULL, NULL, call, rows FROM {row_call}
  UNION ALL
  SELECT pattern, strategy, operator, NULL, NULL, NULL, judge_call, 1 FROM flat_candidate WHERE part = {part}
  UNION ALL
  SELECT c.pattern, c.strategy, c.operator, NULL, NULL, NULL, v.adherence_call, 1
  FROM flat_candidate c JOIN {verdict} v ON v.candidate = c.candidate WHERE c.part = {part}
), w AS (
  SELECT call, sum(rows) AS rows FROM a WHERE call IS NOT NULL GROUP BY call
), k AS (
  SELECT id, sum(prompt_tokens + completion_tokens) AS tokens FROM llm_call
  WHERE id IN (SELECT call FROM w) GROUP BY id
)
SELECT {part}, a.pattern, a.strategy, a.operator, count(a.candidate), count(*) FILTER (a.accepted), count(a.example),
  sum(k.tokens * a.rows / w.rows)
FROM a LEFT JOIN w ON w.call = a.call LEFT JOIN k ON k.id = a.call
GROUP BY ALL ORDER BY ALL
"""

# A call of an earlier round's node is counted there: asked again word for word, it was taken from the ledger.
_PRICES = """
WITH u AS (
  SELECT d.seed, d.round, m.pattern, 1 AS place, 'diagnosing' AS what, d.call, 1 AS rows
  FROM {diagnosis} d LEFT JOIN {pattern_member} m ON m.diagnosis = d.id
  UNION ALL SELECT seed, round, id, 2, 'naming', call, 1 FROM {pattern}
  UNION ALL SELECT seed, round, pattern, 3, 'testing', call, 1 FROM {pattern_test_row}
  UNION ALL SELECT seed, round, pattern, 4, 'drafting', call, 1 FROM {strategy}
  UNION ALL SELECT seed, round, pattern, 5, 'generating', call, rows FROM {row_call}
  UNION ALL SELECT v.seed, v.round, c.pattern, 6, 'verifying', v.call, 1
  FROM {verification} v JOIN (SELECT DISTINCT id, pattern FROM {candidate}) c ON c.id = v.candidate
  UNION ALL SELECT v.seed, v.round, c.pattern, 7, 'judging', unnest([v.call, v.adherence_call]), 1
  FROM {verdict} v JOIN (SELECT DISTINCT id, pattern FROM {candidate}) c ON c.id = v.candidate
), n AS (
  SELECT seed, round, pattern, place, what, call, sum(rows) AS uses FROM u WHERE call IS NOT NULL GROUP BY ALL
), s AS (
  SELECT call, sum(uses) AS uses FROM n GROUP BY call
), k AS (
  SELECT l.id AS call, sum(l.prompt_tokens + l.completion_tokens) AS tokens, sum(l.cost) AS cost,
    any_value(o.seed) AS seed, any_value(o.round) AS round
  FROM llm_call l LEFT JOIN node o ON o.id = l.node WHERE l.id IN (SELECT call FROM s) GROUP BY l.id
)
SELECT {part}, n.pattern, n.place, n.what, count(*), coalesce(sum(k.tokens * n.uses / s.uses), 0),
  count(*) FILTER (k.tokens IS NULL), sum(k.cost * n.uses / s.uses), count(*) FILTER (k.cost IS NULL)
FROM n JOIN s USING (call) LEFT JOIN k USING (call)
WHERE n.pattern IS NOT NULL AND NOT coalesce(k.seed = n.seed AND k.round < n.round, false)
GROUP BY ALL ORDER BY ALL
"""

KINDS: Mapping[str, Kind] = {
    "failures": Kind(
        ("failure", "prediction", "diagnosis", "pattern_member", "pattern"),
        {
            "flat_failure": _FAILURES,
            "flat_member": _MEMBERS,
            "flat_validation": _COUNTS,
            "flat_proposal": _PROPOSALS,
        },
    ),
    "confusion": Kind(("prediction",), {"flat_confusion": _CONFUSION}),
    "candidates": Kind(
        (
            "candidate",
            "row_call",
            "verdict",
            "pattern",
            "strategy",
            "selected",
            "drop",
            "mined",
            "reviewed",
        ),
        {"flat_candidate": _CANDIDATES, "flat_funnel": _FUNNEL, "flat_yield": _YIELD},
    ),
    "prices": Kind(
        (
            "diagnosis",
            "pattern_member",
            "pattern",
            "pattern_test_row",
            "strategy",
            "candidate",
            "row_call",
            "verification",
            "verdict",
        ),
        {"flat_price": _PRICES},
    ),
}
"""In each kind a SELECT may read the flat tables before it."""

FIRST: Mapping[str, tuple[str, ...]] = {
    "failures": ("failure", "prediction", "pattern_member"),
    "confusion": ("prediction",),
    "candidates": ("candidate", "drop"),
    "prices": ("diagnosis", "pattern", "row_call"),
}
"""Tables without which a round shows nothing in a kind."""


CALL_TOTALS = """
INSERT INTO call_total
SELECT run, node, role, count(*), count(error), sum(json_array_length(tries)), sum(prompt_tokens),
  sum(completion_tokens), sum(cached_tokens), sum(reasoning_tokens), sum(cost), count(*) FILTER (cost IS NULL),
  sum(seconds)
FROM llm_call WHERE rowid > ? GROUP BY ALL ORDER BY ALL
"""
"""Adds up the rows of the ledger that come after one of them."""
