"""Reads what was generated: funnel, drops, the judge's part, rows with their lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from engine.judging import JudgeCalibration
from engine.report.facts.json_columns import shown_inputs
from engine.report.records import (
    MINE,
    Calibrated,
    CandidateSample,
    Dropped,
    Funnel,
    Judgement,
    Query,
    QuotaResult,
)

# Candidates of the run with their verdict and whether they were selected and trained on.
# A candidate's id is a hash of its content, so seed and round are part of every join.
_CANDIDATES = f"""{MINE}, c AS (
  SELECT * FROM candidate SEMI JOIN mine USING (node, run)
), v AS (
  SELECT * FROM verdict SEMI JOIN mine USING (node, run)
), s AS (
  SELECT DISTINCT seed, round, candidate
  FROM selected SEMI JOIN mine USING (node, run)
), trained AS (
  SELECT seed, max(round) AS round FROM model SEMI JOIN mine USING (node, run) GROUP BY seed
), p AS (
  SELECT DISTINCT seed, round, item FROM reviewed SEMI JOIN mine USING (node, run)
  WHERE refused = '' AND verdict <> 'reject'
), joined AS (
  SELECT c.*, v.accepted, v.reason, v.detail, v.feedback, v.adherence, v.utility, v.relevance,
    v.judge_agrees, v.similarity, v.neighbour,
    coalesce(v.verified, false) OR p.item IS NOT NULL AS verified, s.candidate IS NOT NULL AS selected,
    s.candidate IS NOT NULL AND coalesce(trained.round > c.round, false) AS trained
  FROM c
  LEFT JOIN v ON v.candidate = c.id AND v.seed = c.seed AND v.round = c.round
  LEFT JOIN s ON s.candidate = c.id AND s.seed = c.seed AND s.round = c.round
  LEFT JOIN p ON p.item = c.id AND p.seed = c.seed AND p.round = c.round
  LEFT JOIN trained ON trained.seed = c.seed
)
"""


def collect_funnel(query: Query, run: str) -> tuple[Funnel, ...]:
    """Return the counts from generated to trained on, per round, attempt and operator."""
    rows = query(
        _CANDIDATES + "SELECT round, attempt, operator, coalesce(reason, '') AS reason, accepted,"
        " count(*) AS n, count(*) FILTER (selected) AS selected,"
        " count(*) FILTER (trained) AS trained, count(*) FILTER (trained AND verified) AS verified"
        " FROM joined GROUP BY ALL ORDER BY round, attempt, operator, n DESC, reason",
        [run],
    )
    groups: dict[tuple[int, int, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["round"], row["attempt"], row["operator"]), []).append(row)
    return tuple(_funnel(key, group) for key, group in groups.items())


def _funnel(key: tuple[int, int, str], rows: list[dict[str, Any]]) -> Funnel:
    return Funnel(
        round=key[0],
        attempt=key[1],
        operator=key[2],
        generated=sum(r["n"] for r in rows),
        rejected=tuple((r["reason"], r["n"]) for r in rows if r["accepted"] is False),
        waiting=sum(r["n"] for r in rows if r["accepted"] is None),
        accepted=sum(r["n"] for r in rows if r["accepted"]),
        selected=sum(r["selected"] for r in rows),
        trained=sum(r["trained"] for r in rows),
        verified=sum(r["verified"] for r in rows),
    )


def collect_drops(query: Query, run: str) -> tuple[Dropped, ...]:
    """Return what stages left out, counted by stage and reason."""
    rows = query(
        MINE + "SELECT stage, reason, count(*) AS n, min(detail) AS example"
        ' FROM "drop" SEMI JOIN mine USING (node, run) GROUP BY stage, reason'
        " UNION ALL SELECT stage, reason, sum(rows)::BIGINT, min(detail) FROM pool_count"
        " SEMI JOIN mine USING (node, run) WHERE reason <> 'read' GROUP BY stage, reason"
        " ORDER BY stage, n DESC, reason",
        [run],
    )
    return tuple(Dropped(r["stage"], r["reason"], r["n"], r["example"]) for r in rows)


def collect_quotas(query: Query, run: str) -> tuple[QuotaResult, ...]:
    """Return what became of the groups that quotas bound, by round, seed and quota."""
    rows = query(
        MINE + "SELECT * FROM quota_status SEMI JOIN mine USING (node, run)"
        " ORDER BY round, seed, position",
        [run],
    )
    return tuple(
        QuotaResult(
            r["seed"], r["round"], f"{r['what']} {r['value']}", r["at_least"], r["at_most"],
            r["written"], r["accepted"], r["joined"], r["held_back"], r["missing"], r["reason"],
        )
        for r in rows
    )  # fmt: skip


def collect_judgement(query: Query, run: str, recipe: Mapping[str, Any]) -> Judgement:
    """Return how judge and rules agreed; rows rejected by the judge alone passed the rules."""
    calibrations = _calibrations(query, run)
    scope = "FROM verdict SEMI JOIN mine USING (node, run)"
    cells = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    unscored = 0
    for row in query(
        MINE + "SELECT accepted OR reason = 'judge' AS passed, judge_agrees AS agrees,"
        " count(*) AS n " + scope + " GROUP BY passed, agrees",
        [run],
    ):
        if row["agrees"] is None:
            unscored += row["n"]
        else:
            cells[bool(row["passed"]), bool(row["agrees"])] += row["n"]
    means = query(
        MINE + "SELECT avg(adherence) FILTER (accepted) AS adherence_yes,"
        " avg(adherence) FILTER (NOT accepted) AS adherence_no,"
        " avg(utility) FILTER (accepted) AS utility_yes,"
        " avg(utility) FILTER (NOT accepted) AS utility_no,"
        " avg(relevance) FILTER (accepted) AS relevance_yes,"
        " avg(relevance) FILTER (NOT accepted) AS relevance_no,"
        " avg(naturalness) FILTER (accepted) AS naturalness_yes,"
        " avg(naturalness) FILTER (NOT accepted) AS naturalness_no,"
        " count(agreement) AS verified, avg(agreement) AS agreed " + scope,
        [run],
    )[0]
    return Judgement(
        mode=_mode(recipe, calibrations),
        judged=sum(cells.values()),
        table=(
            (cells[True, True], cells[True, False]),
            (cells[False, True], cells[False, False]),
        ),
        unscored=unscored,
        means=tuple(
            (name, means[f"{name}_yes"], means[f"{name}_no"])
            for name in ("adherence", "utility", "relevance", "naturalness")
            if name != "naturalness" or means["naturalness_yes"] or means["naturalness_no"]
        ),
        calibrations=calibrations,
        verified=means["verified"],
        agreed=means["agreed"],
    )


def _calibrations(query: Query, run: str) -> tuple[Calibrated, ...]:
    names = [field.name for field in fields(JudgeCalibration)]
    rows = query(
        MINE + f"SELECT seed, round, {', '.join(names)} FROM judge_calibration"
        " SEMI JOIN mine USING (node, run) ORDER BY seed, round",
        [run],
    )
    return tuple(
        Calibrated(r["seed"], r["round"], JudgeCalibration(**{name: r[name] for name in names}))
        for r in rows
    )


def _mode(recipe: Mapping[str, Any], calibrations: Sequence[Calibrated]) -> str:
    """Return what the judge did: it decides only where it was found fit to."""
    if recipe.get("quality", {}).get("judge") == "off":
        return "off"
    return "decides" if any(one.result.decides for one in calibrations) else "advises"


def collect_candidates(query: Query, run: str, cap: int) -> tuple[tuple[CandidateSample, ...], int]:
    """Return up to `cap` generated rows, evenly per round and reason, and their number."""
    total = query(
        MINE + "SELECT count(*) AS n FROM candidate SEMI JOIN mine USING (node, run)",
        [run],
    )[0]["n"]
    rows = query(_CANDIDATES + _CANDIDATE_SQL, [run, cap])
    return tuple(_candidate(row) for row in rows), int(total)


_CANDIDATE_SQL = """
, picked AS (
  SELECT * FROM joined
  ORDER BY row_number() OVER (PARTITION BY seed, round, reason ORDER BY id), seed, round, reason
  LIMIT ?
), e AS (
  SELECT id, any_value(inputs) AS inputs, any_value(target) AS target
  FROM example SEMI JOIN mine USING (node, run) WHERE split = 'train' GROUP BY id
), names AS (
  SELECT seed, id, arg_min(name, round) AS name
  FROM pattern SEMI JOIN mine USING (node, run) GROUP BY ALL
), st AS (
  SELECT seed, id, any_value(text) AS text
  FROM strategy SEMI JOIN mine USING (node, run) GROUP BY ALL
)
SELECT k.*, e.inputs AS parent_inputs, e.target AS parent_target, names.name AS pattern_name,
  st.text AS strategy_text
FROM picked k
LEFT JOIN e ON e.id = k.parent
LEFT JOIN names ON names.seed = k.seed AND names.id = k.pattern
LEFT JOIN st ON st.seed = k.seed AND st.id = k.strategy
ORDER BY k.seed, k.round DESC, k.accepted DESC NULLS LAST, k.reason, k.id
"""


def _candidate(row: Mapping[str, Any]) -> CandidateSample:
    return CandidateSample(
        id=row["id"],
        seed=row["seed"],
        round=row["round"],
        attempt=row["attempt"],
        operator=row["operator"],
        inputs=shown_inputs(row["inputs"]),
        target=row["target"],
        parent=row["parent"],
        parent_inputs=shown_inputs(row["parent_inputs"]),
        parent_target=row["parent_target"] or "",
        pattern=row["pattern_name"] or row["pattern"],
        strategy=row["strategy_text"] or "",
        outcome=_outcome(row),
        reason=row["reason"] or "",
        detail=row["detail"] or "",
        feedback=row["feedback"] or "",
        scores=(row["adherence"], row["utility"], row["relevance"]),
        judge_agrees=row["judge_agrees"],
        similarity=row["similarity"],
        neighbour=row["neighbour"],
    )


def _outcome(row: Mapping[str, Any]) -> str:
    if row["accepted"] is None:
        return "no verdict"
    if row["trained"]:
        return "trained on"
    if row["selected"]:
        return "selected"
    return "accepted" if row["accepted"] else "rejected"
