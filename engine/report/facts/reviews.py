"""What people said of rows: how much, how far they agree, and how the judge stands to them."""

from __future__ import annotations

from engine.plan.building.reviews import judge_mark
from engine.report.facts.json_columns import json_object
from engine.report.people import JudgeAgainstPeople, People
from engine.report.records import Query
from engine.statistics import krippendorff_alpha

_KINDS = {"accept": "accept", "reject": "reject", "edit": "change", "relabel": "change"}
"""What is compared between reviewers: whether a row is right, is not to be used, or must be changed."""
_SAID = (
    "SELECT subject, example, reviewer FROM all_reviews WHERE recipe = ? AND stands ORDER BY ALL"
)
_ALONE = """
SELECT subject, example, verdict FROM all_reviews
WHERE recipe = ? AND verdict <> 'undo' AND NOT resolves
  AND id NOT IN (SELECT undoes FROM all_reviews WHERE undoes IS NOT NULL)
QUALIFY row_number() OVER (PARTITION BY subject, example, reviewer ORDER BY made DESC, id DESC) = 1
ORDER BY ALL
"""
"""Whoever ends a disagreement knows what the others said: that is no agreement."""
_OUTCOMES = "SELECT verdict, count(*) AS n FROM review_outcomes WHERE recipe = ? GROUP BY verdict"
_JUDGES = """
SELECT n.id, n.identity FROM node n JOIN all_run_rows o ON o.node = n.id WHERE o.run = ? AND o.stage = 'judge'
"""
_JUDGED = """
SELECT verdict = 'accept' AS is_right, judge_passes AS passes, count(*) AS n FROM review_outcomes
WHERE recipe = ? AND list_contains(?, judge) AND judge_passes IS NOT NULL
  AND (verdict IN ('accept', 'relabel') OR (verdict = 'reject' AND reason = 'wrong'))
GROUP BY ALL
"""


def collect_people(query: Query, run: str, recipe: str) -> People:
    """Return what people said of the rows of a recipe, and how the judge of one run stands to that.

    Right are rows that they accept; wrong those that they relabel, or reject because their answer is wrong.
    """
    said = query(_SAID, [recipe])
    by_row: dict[tuple[str, str], list[str]] = {}
    for row in query(_ALONE, [recipe]):
        by_row.setdefault((row["subject"], row["example"]), []).append(_KINDS[row["verdict"]])
    by_reviewer: dict[str, int] = {}
    for row in said:
        by_reviewer[row["reviewer"]] = by_reviewer.get(row["reviewer"], 0) + 1
    outcomes = {row["verdict"]: row["n"] for row in query(_OUTCOMES, [recipe])}
    return People(
        rows=len({(row["subject"], row["example"]) for row in said}),
        verdicts={name: n for name, n in sorted(outcomes.items()) if name != "conflict"},
        conflicts=outcomes.get("conflict", 0),
        reviewers=by_reviewer,
        agreement=krippendorff_alpha(list(by_row.values())),
        judge=_judge(query, run, recipe) if said else JudgeAgainstPeople(),
    )


def judge_marks(query: Query, run: str) -> dict[str, str]:
    """Return the mark of each node that judged in a run (`judge_mark`)."""
    return {row["id"]: judge_mark(json_object(row["identity"])) for row in query(_JUDGES, [run])}


def _judge(query: Query, run: str, recipe: str) -> JudgeAgainstPeople:
    marks = sorted(set(judge_marks(query, run).values()))
    rows = query(_JUDGED, [recipe, marks])
    cells = {(row["is_right"], row["passes"]): row["n"] for row in rows}
    return JudgeAgainstPeople(
        right_passed=cells.get((True, True), 0),
        right_rejected=cells.get((True, False), 0),
        wrong_passed=cells.get((False, True), 0),
        wrong_rejected=cells.get((False, False), 0),
    )
