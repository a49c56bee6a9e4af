"""Reads what keeps a run's numbers honest: divided validation, failures held out, the control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from engine.report.evidence import GuardedTexts, HeldOut, Safeguards, Suite
from engine.report.records import MINE, Query, Scores
from engine.rows import CONTROL

_FAILURES = MINE + (
    "SELECT seed, count(*) FILTER (part <> 'selection') AS analysed,"
    " count(*) FILTER (part = 'held_out') AS held_out FROM drawn_failure d SEMI JOIN mine USING (node, run)"
    " WHERE round = (SELECT min(round) FROM drawn_failure SEMI JOIN mine USING (node, run))"
    " GROUP BY seed ORDER BY seed"
)
# Of a seed without a later fine-tune nothing can be said.
_HELD_OUT = MINE + (
    ", h AS (SELECT seed, example FROM drawn_failure SEMI JOIN mine USING (node, run)"
    " WHERE part = 'held_out' AND round = 0),"
    " p AS (SELECT seed, round, example FROM prediction SEMI JOIN mine USING (node, run)"
    " WHERE split = 'validation' AND status <> 'backend_failed'),"
    " l AS (SELECT seed, max(round) AS round FROM p GROUP BY seed HAVING max(round) > 0),"
    " f AS (SELECT seed, round, example FROM failure SEMI JOIN mine USING (node, run) WHERE split = 'validation')"
    " SELECT f.example IS NULL AS now, CASE WHEN c.example IS NOT NULL THEN g.example IS NULL END AS control,"
    " count(*) AS n FROM h JOIN l USING (seed)"
    " JOIN p ON p.seed = h.seed AND p.round = l.round AND p.example = h.example"
    " LEFT JOIN f ON f.seed = h.seed AND f.round = l.round AND f.example = h.example"
    " LEFT JOIN p c ON c.seed = h.seed AND c.round = ? AND c.example = h.example"
    " LEFT JOIN f g ON g.seed = h.seed AND g.round = ? AND g.example = h.example"
    " GROUP BY ALL"
)

QUOTED = "coalesce(guard LIKE 'replaced:%' AND NOT guard LIKE 'replaced: no usable reply%', false)"
"""SQL: whether a neutral text stands in because both wordings quoted, not because there was none."""
# A pattern that goes on keeps its texts, and what the guard said of them: the call tells that it is the same.
_GUARDED = MINE + (
    ", t AS (SELECT DISTINCT 'pattern' AS kind, seed, id AS pattern, name AS text, guard"
    " FROM pattern SEMI JOIN mine USING (node, run) UNION ALL"
    " SELECT DISTINCT 'strategy', seed, pattern, text, guard FROM strategy SEMI JOIN mine USING (node, run))"
    " SELECT count(*) AS texts,"
    f" count(*) FILTER ({QUOTED}) AS replaced,"
    " count(*) FILTER (guard LIKE 'reworded:%') AS reworded,"
    " count(*) FILTER (guard LIKE 'left out:%' OR guard LIKE '%; left out:%') AS shortened,"
    ' (SELECT count(*) FROM (SELECT DISTINCT seed, item FROM "drop" SEMI JOIN mine USING (node, run)'
    " WHERE reason = 'convention_quotes')) AS conventions FROM t"
)


def collect_safeguards(
    query: Query, run: str, recipe: Mapping[str, Any], scores: Scores
) -> Safeguards:
    """Return what was switched on and off, and what became of the failures that were held out."""
    loop, patterns = recipe.get("loop", {}), recipe.get("patterns", {})
    first = max(min(scores.rounds, default=0), 0) if 0 in scores.rounds else -1
    # Of a mixed log the metric that decides is of some rows, another of all.
    sizes = [c.n for key, c in scores.cells.items() if key[1:3] == ("validation", first)]
    deciding = scores.at(scores.primary, "validation", first)
    selection = scores.at(scores.primary, "validation_selection", first)
    drawn = query(_FAILURES, [run])
    wanted = bool(loop.get("control", True)) and recipe.get("train", {}).get("method") != "none"
    control: Literal["done", "off", "missing"] = "missing" if wanted else "off"
    if any(key[2] == CONTROL for key in scores.cells):
        control = "done"
    return Safeguards(
        validation=max(sizes, default=0),
        deciding=deciding.n if deciding else 0,
        selection=selection.n if selection else 0,
        divide=loop.get("divide_validation", "auto"),
        hold_out=float(patterns.get("hold_out", 0.3)),
        failures=tuple(row["analysed"] for row in drawn),
        held_out=_held_out(query, run),
        holds_out=any(row["held_out"] for row in drawn),
        control=control,
        guarded=GuardedTexts(**query(_GUARDED, [run])[0]),
    )


def collect_suites(query: Query, run: str) -> tuple[Suite, ...]:
    """Return the regression suite of each seed after its last round."""
    rows = query(
        MINE + "SELECT seed, round, n, broken, control_broken, regressed, detail"
        " FROM regression_suite SEMI JOIN mine USING (node, run)"
        " QUALIFY row_number() OVER (PARTITION BY seed ORDER BY round DESC) = 1 ORDER BY seed",
        [run],
    )
    return tuple(Suite(**row) for row in rows)


def _held_out(query: Query, run: str) -> HeldOut | None:
    rows = query(_HELD_OUT, [run, CONTROL, CONTROL])
    if not rows:
        return None
    controlled = all(row["control"] is not None for row in rows)
    return HeldOut(
        n=sum(row["n"] for row in rows),
        mended=sum(row["n"] for row in rows if row["now"]),
        control_mended=sum(row["n"] for row in rows if row["control"]) if controlled else None,
        better=sum(row["n"] for row in rows if row["now"] and row["control"] is False),
        worse=sum(row["n"] for row in rows if not row["now"] and row["control"]),
    )
