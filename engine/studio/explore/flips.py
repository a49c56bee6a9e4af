"""Two students side by side, of two runs or two rounds: scores, patterns, and the rows that flipped."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.report.facts.collect import find_run
from engine.report.facts.json_columns import shown_inputs
from engine.report.facts.scores import collect_scores
from engine.report.formatting import round_label
from engine.report.records import Query
from engine.store import Stop, reader
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.explore.runs import shown_scores
from engine.studio.explore.tables import LARGEST_PAGE, PAGE
from engine.studio.settings import Settings

KINDS = ("mended", "broken", "fails in both")

# What each student was asked, and where it failed; a row counts where both were asked it. Several seeds are one
# student: it fails where most of them do.
_STUDENT = """
  SELECT p.example, avg((f.example IS NOT NULL)::INTEGER) >= 0.5 AS fails, any_value(p.answer) AS answer
  FROM prediction p
  SEMI JOIN (SELECT r.node, n.run FROM run_node r JOIN node n ON n.id = r.node WHERE r.run = ?) mine
    ON mine.node = p.node AND mine.run = p.run
  LEFT JOIN (SELECT DISTINCT seed, example FROM all_failures WHERE run = ? AND round = ? AND split = 'validation') f
    ON f.seed = p.seed AND f.example = p.example
  WHERE p.round = ? AND p.split = 'validation' GROUP BY p.example
"""
_BOTH = f"""
WITH a AS ({_STUDENT}), b AS ({_STUDENT}), both_asked AS (
  SELECT example, a.answer AS answer_before, b.answer AS answer_after, CASE WHEN a.fails AND NOT b.fails THEN 'mended'
    WHEN NOT a.fails AND b.fails THEN 'broken' WHEN a.fails THEN 'fails in both' ELSE 'right in both' END AS kind
  FROM a JOIN b USING (example)
)
"""
_PATTERNS = """
WITH a AS (
  SELECT o.root, any_value(o.name) AS name, any_value(o.pattern) AS pattern, sum(f.members)::BIGINT AS members,
    sum(f.size)::BIGINT AS size, sum(f.failing)::BIGINT AS failing, any_value(f.status) AS status
  FROM all_pattern_origins o
  JOIN all_failure_patterns f ON f.run = o.run AND f.seed = o.seed AND f.pattern = o.pattern
  WHERE o.run = ? GROUP BY o.root
), b AS (
  SELECT o.root, any_value(o.name) AS name, any_value(o.pattern) AS pattern, sum(f.members)::BIGINT AS members,
    sum(f.size)::BIGINT AS size, sum(f.failing)::BIGINT AS failing, any_value(f.status) AS status
  FROM all_pattern_origins o
  JOIN all_failure_patterns f ON f.run = o.run AND f.seed = o.seed AND f.pattern = o.pattern
  WHERE o.run = ? GROUP BY o.root
)
SELECT root, coalesce(b.name, a.name) AS name, a.pattern AS pattern_before, b.pattern AS pattern_after,
  a.size AS size_before, b.size AS size_after, a.failing AS failing_before, b.failing AS failing_after,
  a.status AS status_before, b.status AS status_after
FROM a FULL JOIN b USING (root) ORDER BY coalesce(b.size, 0) + coalesce(a.size, 0) DESC, name
"""


class Student(NamedTuple):
    """One side: a run, and the round whose student is meant."""

    run: str
    round: int


def side_by_side(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return two students beside each other: of the runs `a` and `b`, of their last rounds when none are said."""
    kind = asked.one_of("kind", ("", *KINDS), "broken")
    limit, offset = asked.number("limit", PAGE, LARGEST_PAGE, least=1), asked.number("offset", 0)
    with reader(settings.state, stop=stop) as query:
        sides, students = [], []
        for side in ("a", "b"):
            if not (run := asked.text(side)):
                raise EngineError("two runs are needed", "choose them in the list of runs")
            header, recipe = find_run(query, run)
            scores = collect_scores(query, run, recipe)
            students.append(_student(asked, side, run, scores.rounds))
            sides.append(
                {
                    "run": run,
                    "recipe": header["recipe_name"],
                    "round": students[-1].round,
                    "label": round_label(students[-1].round),
                    "scores": shown_scores(scores),
                }
            )
        before, after = students
        counts, rows = _flipped(query, before, after, kind, limit, offset)
        patterns = [] if before.run == after.run else query(_PATTERNS, [before.run, after.run])
    return {
        "sides": sides,
        "counts": counts,
        "kind": kind,
        "rows": rows,
        "offset": offset,
        "limit": limit,
        "patterns": patterns,
    }


def _student(asked: Asked, side: str, run: str, rounds: tuple[int, ...]) -> Student:
    round_ = asked.maybe_number(f"{side}_round")
    return Student(run, max(rounds, default=0) if round_ is None else round_)


def _flipped(
    query: Query, before: Student, after: Student, kind: str, limit: int, offset: int
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Return how many rows are of each kind, and a page of one kind."""
    students = [
        *(before.run, before.run, before.round, before.round),
        *(after.run, after.run, after.round, after.round),
    ]
    counted = query(f"{_BOTH} SELECT kind, count(*) AS n FROM both_asked GROUP BY kind", students)
    rows = query(
        f"""{_BOTH}, page AS (SELECT * FROM both_asked WHERE kind = ? ORDER BY example LIMIT ? OFFSET ?)
SELECT page.*, e.inputs, e.target, n.pattern, n.pattern_name FROM page
JOIN (SELECT DISTINCT ON (id) id, inputs, target FROM example WHERE id IN (SELECT example FROM page)
  AND split = 'validation') e ON e.id = page.example
LEFT JOIN (SELECT example, any_value(pattern) AS pattern, any_value(pattern_name) AS pattern_name FROM all_failures
  WHERE run IN (?, ?) AND pattern IS NOT NULL AND example IN (SELECT example FROM page) GROUP BY example) n
  ON n.example = page.example ORDER BY page.example""",
        [*students, kind, limit, offset, before.run, after.run],
    )
    for row in rows:
        row["inputs"] = {name: short(text) for name, text in shown_inputs(row["inputs"]).items()}
    return {row["kind"]: row["n"] for row in counted}, rows
