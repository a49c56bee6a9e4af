"""Everything that ever happened to one row, of the data or generated: what a run knows of it, in order."""

from __future__ import annotations

from typing import Any

from engine.errors import StoreError
from engine.metrics import METRICS
from engine.report.calls import find_call, made_from
from engine.report.facts.collect import find_run
from engine.report.facts.json_columns import shown_inputs, text_values
from engine.report.facts.scores import is_share
from engine.report.formatting import round_label
from engine.report.records import MINE, Query
from engine.review.items import NEVER
from engine.stages.load import example_id
from engine.store import Stop, reader
from engine.studio.answers import short
from engine.studio.asked import Asked
from engine.studio.explore.tables import OUTCOME
from engine.studio.settings import Settings

CHILDREN = 200
"""Most generated rows that a row's page lists; the table of generated rows has all."""

_ORIGIN = (
    MINE
    + "SELECT DISTINCT ON (split) split, inputs, target, columns, source, line FROM example SEMI JOIN mine"
    " USING (node, run) WHERE {runs} AND id = ? ORDER BY split"
)
_ANSWERS = (
    MINE
    + """, f AS (
  SELECT DISTINCT seed, round, split, predicate FROM failure SEMI JOIN mine USING (node, run)
  WHERE {runs} AND example = ?
), s AS (
  SELECT seed, round, split, list({{metric: metric, value: value}} ORDER BY metric) AS scores
  FROM score SEMI JOIN mine USING (node, run) WHERE {runs} AND example = ? GROUP BY ALL
)
SELECT p.seed, p.round, p.split, p.text, p.answer, p.status, p.confidence, p.how, f.predicate, s.scores
FROM prediction p SEMI JOIN mine ON mine.node = p.node AND mine.run = p.run
LEFT JOIN f USING (seed, round, split) LEFT JOIN s USING (seed, round, split)
WHERE p.{runs} AND p.example = ? ORDER BY p.split, p.round = -2, p.round, p.seed
"""
)
_DIAGNOSES = (
    MINE
    + """, m AS (
  SELECT seed, round, diagnosis, any_value(pattern) AS pattern FROM pattern_member SEMI JOIN mine USING (node, run)
  WHERE {runs} AND example = ? GROUP BY ALL
), n AS (
  SELECT seed, id AS pattern, arg_max(name, round) AS name FROM pattern SEMI JOIN mine USING (node, run) GROUP BY ALL
)
SELECT d.seed, d.round, d.root_cause, d.scenario, d.evidence, d.reasoning, d.skill, d.category, d.suspect, d.confidence,
  d.convention, d.call, n.pattern, n.name AS pattern_name
FROM diagnosis d SEMI JOIN mine ON mine.node = d.node AND mine.run = d.run
LEFT JOIN m ON m.seed = d.seed AND m.round = d.round AND m.diagnosis = d.id
LEFT JOIN n ON n.seed = d.seed AND n.pattern = m.pattern
WHERE d.{runs} AND d.example = ? ORDER BY d.round, d.seed
"""
)
_DOUBTS = (
    MINE
    + "SELECT seed, round, target, answer, reason, confidence, call FROM label_suspect SEMI JOIN mine"
    " USING (node, run) WHERE {runs} AND example = ? ORDER BY round, seed"
)
_CHILDREN = f"""
SELECT seed, round, attempt, candidate, operator, inputs, target, pattern, pattern_name, {OUTCOME} AS outcome,
  coalesce(left_out, CASE WHEN NOT accepted THEN reason END) AS why
FROM all_lineage WHERE run = ? AND parent = ? ORDER BY round, attempt, seed, candidate LIMIT {CHILDREN}
"""
# The id alone first: for most rows that is all, and every column of every candidate is far more to read.
_NAMED = "SELECT candidate FROM all_lineage WHERE run = ? AND (candidate = ? OR example = ?)"
_WRITTEN = f"""
SELECT *, {OUTCOME} AS outcome FROM all_lineage WHERE run = ? AND (candidate = ? OR example = ?)
ORDER BY round, seed, attempt
"""
_BLIND = (
    MINE
    + "SELECT seed, round, sample, answer, second, agrees, how, detail, call FROM verification SEMI JOIN mine"
    " USING (node, run) WHERE {runs} AND candidate IN (SELECT unnest(?::VARCHAR[])) ORDER BY round, seed, sample"
)
_REVIEWS = """
SELECT made, reviewer, queue, subject, verdict, reason, note, new_target, stands FROM all_reviews
WHERE example = ? OR candidate = ? ORDER BY made
"""


def row(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return the story of a row by its id: of an example or of a generated row."""
    run, item = asked.path["run"], asked.path["row"]
    with reader(settings.state, stop=stop) as query:
        find_run(query, run)
        runs = _runs(query, run)
        origin = query(_ORIGIN.format(runs=runs), [run, item])
        named = query(_NAMED, [run, item, item])
        written = query(_WRITTEN, [run, item, item]) if named else []
        if not origin and not written:
            raise StoreError(
                f"run {run} has no row '{item}'",
                "choose one from the failures or the generated rows",
            )
        return _story(query, run, runs, item, origin, written)


def _runs(query: Query, run: str) -> str:
    """Return the condition that rows were written by the runs whose nodes this run has.

    The join says so as well, but only a condition that stands in the query lets DuckDB leave out what other runs
    wrote before it reads any (decision 19).
    """
    found = query(
        "SELECT DISTINCT n.run FROM run_node r JOIN node n ON n.id = r.node WHERE r.run = ?", [run]
    )
    names = ", ".join("'" + one["run"].replace("'", "''") + "'" for one in found)
    return f"run IN ({names or 'NULL'})"


def _story(
    query: Query,
    run: str,
    runs: str,
    item: str,
    origin: list[dict[str, Any]],
    written: list[dict[str, Any]],
) -> dict[str, Any]:
    candidates = [one["candidate"] for one in written]
    review = _reviewed_as(item, origin, written)
    answers = query(_ANSWERS.format(runs=runs), [run, item, item, item])
    diagnoses = query(_DIAGNOSES.format(runs=runs), [run, item, item])
    doubts = query(_DOUBTS.format(runs=runs), [run, item])
    blind = query(_BLIND.format(runs=runs), [run, candidates])
    children = query(_CHILDREN, [run, item])
    for one in origin:
        one["inputs"] = shown_inputs(one["inputs"])
    for one in children:
        one["inputs"] = {name: short(text) for name, text in shown_inputs(one["inputs"]).items()}
    for one in written:
        one["inputs"], one["parent_inputs"] = (
            shown_inputs(one[name]) for name in ("inputs", "parent_inputs")
        )
    for one in answers:
        one["label"] = round_label(one["round"])
        one["scores"] = [scored(score) for score in one["scores"] or ()]
    return {
        "run": run,
        "id": item,
        "review": review,
        "origin": origin,
        "answers": answers,
        "diagnoses": diagnoses,
        "doubts": doubts,
        "written": written,
        "blind": blind,
        "children": children,
        "most_children": CHILDREN,
        "reviews": query(_REVIEWS, [item, item]),
        "calls": _calls(diagnoses, doubts, written, blind),
    }


def scored(score: dict[str, Any]) -> dict[str, Any]:
    """Return a metric's value of one row, and how people read it: right or wrong, a share, a plain number."""
    metric, value = score["metric"], score["value"]
    if value in (0, 1) and metric in METRICS and METRICS[metric].right_or_wrong:
        kind = "right" if value else "wrong"
    else:
        kind = "share" if is_share(metric) else "number"
    return {"metric": metric, "value": value, "kind": kind}


def _reviewed_as(item: str, origin: list[dict[str, Any]], written: list[dict[str, Any]]) -> str:
    """Return the id that reviews know a row by; empty for one that nobody is asked about."""
    if any(one["split"] in ("train", "validation") for one in origin):
        return item
    for one in written:
        if one["accepted"] is not None and one["reason"] not in NEVER:
            return str(one["example"] or example_id(text_values(one["inputs"]), one["target"]))
    return ""


def _calls(
    diagnoses: list[dict[str, Any]],
    doubts: list[dict[str, Any]],
    written: list[dict[str, Any]],
    blind: list[dict[str, Any]],
) -> list[dict[str, str]]:
    """Return the calls in which models spoke of the row, each once, with what for."""
    named = [
        *(("diagnosis", one["call"]) for one in diagnoses),
        *(("doubt about the label", one["call"]) for one in doubts),
        *(("writing", one["generate_call"]) for one in written),
        *(("blind answer", one["call"]) for one in blind),
        *(("judging", one["judge_call"]) for one in written),
    ]
    by_call: dict[str, str] = {}
    for what, call in named:
        if call:
            by_call.setdefault(call, what)
    return [{"id": call, "what": what} for call, what in by_call.items()]


def call(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return one call whole: every turn of the prompt, the schema, each reply with its tries, what came of it."""
    entries = find_call(settings.state, asked.path["call"])
    return {"entries": entries, "made": made_from(settings.state, entries[0]["id"])}
