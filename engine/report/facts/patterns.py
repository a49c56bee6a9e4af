"""Reads what failed and why: patterns and their fate, moved failures, confused labels, a sample."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.report.evidence import FirstSeen, PatternFacts, PatternTested, Standing
from engine.report.facts.json_columns import json_list, shown_inputs
from engine.report.facts.safeguards import QUOTED
from engine.report.records import (
    MINE,
    Confusion,
    FailureSample,
    Movement,
    Query,
    Suspect,
)
from engine.rows import CONTROL

Key = tuple[int, str]
"""Seed and pattern id."""

# What the untuned student fails at is only looked at where nothing is fine-tuned.
_LOOKED_AT = (
    "round >= coalesce((SELECT min(round) FROM decision SEMI JOIN mine USING (node, run)), 0)"
)


def collect_patterns(query: Query, run: str) -> tuple[PatternFacts, ...]:
    """Return every pattern, one entry per seed, by the round that found it, largest first."""
    by_pattern: dict[Key, list[dict[str, Any]]] = defaultdict(list)
    for row in query(
        MINE + "SELECT seed, round, id, name, description, category, size,"
        f" {QUOTED} AS guarded FROM pattern SEMI JOIN mine USING (node, run)"
        " ORDER BY round",
        [run],
    ):
        by_pattern[row["seed"], row["id"]].append(row)
    standings = _standings(query, run)
    strategies, guarded = _strategies(query, run)
    made, tests, first = _made(query, run), _tests(query, run), _first_seen(query, run)
    patterns = [
        replace(
            _pattern(
                rows,
                standings[key],
                strategies[key],
                guarded[key],
                made.get(key, (0, 0, 0)),
                tests.get(key),
            ),
            first_seen=first.get(key),
        )
        for key, rows in by_pattern.items()
    ]
    return tuple(sorted(patterns, key=lambda p: (p.seed, p.found, -p.size, p.name)))


def _pattern(
    rows: list[dict[str, Any]],
    standings: list[Standing],
    strategies: list[str],
    guarded: bool,
    made: tuple[int, int, int],
    test: PatternTested | None,
) -> PatternFacts:
    first = rows[0]
    return PatternFacts(
        seed=first["seed"],
        id=first["id"],
        name=first["name"],
        description=first["description"],
        category=first["category"],
        found=first["round"],
        size=first["size"],
        standings=tuple(standings),
        strategies=tuple(strategies),
        generated=made[0],
        accepted=made[1],
        selected=made[2],
        guarded=guarded or any(row["guarded"] for row in rows),
        test=test,
    )


def _first_seen(query: Query, run: str) -> dict[Key, FirstSeen]:
    rows = query(
        "SELECT seed, pattern, first_run, strftime(first_seen, '%Y-%m-%d') AS date, first_version"
        " FROM pattern_origin WHERE run = ? AND earlier_run IS NOT NULL",
        [run],
    )
    return {
        (r["seed"], r["pattern"]): FirstSeen(r["first_run"], r["date"], r["first_version"])
        for r in rows
    }


def _tests(query: Query, run: str) -> dict[Key, PatternTested]:
    """Return the latest test of each pattern."""
    rows = query(
        MINE + "SELECT seed, pattern, verdict, funded, detail, lift, lift_low, lift_high, diagnosed"
        " FROM pattern_test SEMI JOIN mine USING (node, run) ORDER BY round",
        [run],
    )
    return {(r.pop("seed"), r.pop("pattern")): PatternTested(**r) for r in rows}


def _standings(query: Query, run: str) -> dict[Key, list[Standing]]:
    standings: dict[Key, list[Standing]] = defaultdict(list)
    for r in query(
        MINE
        + "SELECT seed, round, pattern, life AS status, before, after, rows, effect, low, high,"
        " held_out, held_out_mended, control_held_out_mended"
        " FROM pattern_status SEMI JOIN mine USING (node, run) ORDER BY round",
        [run],
    ):
        standings[r.pop("seed"), r.pop("pattern")].append(Standing(**r))
    return standings


def _strategies(query: Query, run: str) -> tuple[dict[Key, list[str]], dict[Key, bool]]:
    texts: dict[Key, list[str]] = defaultdict(list)
    guarded: dict[Key, bool] = defaultdict(bool)
    for r in query(
        MINE + "SELECT seed, pattern, text, contrast, contrast_share, kinds,"
        f" {QUOTED} AS guarded FROM strategy"
        " SEMI JOIN mine USING (node, run) ORDER BY round, id",
        [run],
    ):
        key = (r["seed"], r["pattern"])
        if (text := _whole(r)) not in texts[key]:
            texts[key].append(text)
        guarded[key] |= r["guarded"]
    return texts, guarded


def _whole(strategy: dict[str, Any]) -> str:
    """Return a strategy's text with the other side of its pattern and its kinds of rows, where it names them."""
    parts = [strategy["text"]]
    if strategy["contrast"]:
        parts.append(
            f"The other side ({strategy['contrast_share']:.0%} of the rows): {strategy['contrast']}"
        )
    if kinds := json_list(strategy["kinds"]):
        told = (
            f"{kind['name']} ({kind['share']:.0%}{', of ' + ', '.join(kind['labels']) if kind['labels'] else ''}),"
            f" {kind['description']}"
            for kind in kinds
        )
        parts.append(f"Kinds of rows: {'; '.join(told)}")
    *before, last = parts
    return " ".join([*(f"{part.rstrip('.')}." for part in before), last])


def _made(query: Query, run: str) -> dict[Key, tuple[int, int, int]]:
    rows = query(
        "SELECT seed, pattern, sum(generated)::BIGINT AS generated, sum(accepted)::BIGINT AS accepted,"
        " sum(selected)::BIGINT AS selected FROM all_payoff WHERE run = ? GROUP BY ALL",
        [run],
    )
    return {(r["seed"], r["pattern"]): (r["generated"], r["accepted"], r["selected"]) for r in rows}


def collect_movements(query: Query, run: str) -> tuple[Movement, ...]:
    """Return how the validation failures of each seed, round (from 0) and control differ from round 0's."""
    rows = query(
        MINE + ", f AS (SELECT seed, round, example FROM failure SEMI JOIN mine USING (node, run)"
        f" WHERE split = 'validation' AND (round >= 0 OR round = {CONTROL})),"
        " p AS (SELECT seed, round, example FROM prediction SEMI JOIN mine USING (node, run)"
        f" WHERE split = 'validation' AND (round >= 0 OR round = {CONTROL})),"
        " m AS (SELECT DISTINCT seed, example FROM pattern_member "
        " SEMI JOIN mine USING (node, run))"
        " SELECT p.seed, p.round, count(f.example) AS failures,"
        " count(*) FILTER (f.example IS NULL AND f0.example IS NOT NULL) AS mended,"
        " count(*) FILTER (f.example IS NOT NULL AND p0.example IS NOT NULL"
        " AND f0.example IS NULL) AS new,"
        " count(*) FILTER (f.example IS NOT NULL AND m.example IS NULL) AS outside FROM p"
        " LEFT JOIN f ON f.seed = p.seed AND f.round = p.round AND f.example = p.example"
        " LEFT JOIN f f0 ON f0.seed = p.seed AND f0.round = 0 AND f0.example = p.example"
        " LEFT JOIN p p0 ON p0.seed = p.seed AND p0.round = 0 AND p0.example = p.example"
        " LEFT JOIN m ON m.seed = p.seed AND m.example = p.example"
        f" GROUP BY p.seed, p.round ORDER BY p.seed, p.round = {CONTROL}, p.round",
        [run],
    )
    return tuple(
        Movement(r["seed"], r["round"], r["failures"], r["mended"], r["new"], r["outside"])
        for r in rows
    )


def collect_confusions(
    query: Query, run: str, recipe: Mapping[str, Any], limit: int = 12
) -> tuple[Confusion, ...]:
    """Return the most confused label pairs on validation; empty unless targets are labels."""
    if recipe.get("task", {}).get("kind") != "classification":
        return ()
    rows = query(
        MINE + ", e AS (SELECT id, any_value(target) AS target FROM example "
        " SEMI JOIN mine USING (node, run) WHERE split = 'validation' GROUP BY id),"
        " p AS (SELECT round, example, answer FROM prediction SEMI JOIN mine USING (node, run)"
        f" WHERE split = 'validation' AND {_LOOKED_AT} AND answer IS NOT NULL),"
        " ends AS (SELECT min(round) AS first, max(round) AS last FROM p)"
        " SELECT e.target, p.answer, count(*) FILTER (p.round = ends.first) AS before,"
        " count(*) FILTER (p.round = ends.last) AS after,"
        " any_value(ends.first < ends.last) AS several"
        " FROM p JOIN e ON e.id = p.example CROSS JOIN ends WHERE p.answer <> e.target"
        " GROUP BY e.target, p.answer HAVING before + after > 0"
        " ORDER BY greatest(before, after) DESC, before DESC, e.target, p.answer LIMIT ?",
        [run, limit],
    )
    return tuple(
        Confusion(r["target"], r["answer"], r["before"], r["after"] if r["several"] else None)
        for r in rows
    )


def collect_suspects(query: Query, run: str, limit: int = 50) -> tuple[Suspect, ...]:
    """Return the rows whose given answer may be wrong, each once, the surest and those most often named first."""
    rows = query(
        MINE + ", s AS (SELECT example, split, target, max(confidence) AS confidence,"
        " count(DISTINCT call) AS times,"
        " arg_max(reason, coalesce(confidence, 0)) AS reason, arg_max(answer, coalesce(confidence, 0)) AS answer"
        " FROM label_suspect SEMI JOIN mine USING (node, run) GROUP BY ALL),"
        " e AS (SELECT id, split, any_value(inputs) AS inputs, any_value(source || ':' || line) AS source"
        " FROM example SEMI JOIN mine USING (node, run) GROUP BY ALL)"
        " SELECT s.*, e.inputs, e.source FROM s JOIN e ON e.id = s.example AND e.split = s.split"
        " ORDER BY s.confidence DESC NULLS LAST, s.times DESC, e.source LIMIT ?",
        [run, limit],
    )
    return tuple(
        Suspect(
            source=r["source"],
            inputs=shown_inputs(r["inputs"]),
            target=r["target"],
            answer=r["answer"],
            reason=r["reason"],
            confidence=r["confidence"],
            times=r["times"],
            split=r["split"],
        )
        for r in rows
    )


def collect_failures(query: Query, run: str, cap: int) -> tuple[tuple[FailureSample, ...], int]:
    """Return up to `cap` failures, evenly per round and split, and how many there are."""
    total = query(
        MINE
        + f"SELECT count(*) AS n FROM failure SEMI JOIN mine USING (node, run) WHERE {_LOOKED_AT}",
        [run],
    )[0]["n"]
    rows = query(_FAILURE_SQL, [run, cap])
    return tuple(_failure(row) for row in rows), int(total)


# Ids are hashes, so their order is as good as random, and stable. Diagnosed ones come first.
_FAILURE_SQL = f"""{MINE}, f AS (
  SELECT seed, round, split, example, answer, target
  FROM failure SEMI JOIN mine USING (node, run) WHERE {_LOOKED_AT}
), picked AS (
  -- Ids alone are sorted: the rest is looked up for those that are taken.
  SELECT * FROM f ORDER BY row_number() OVER (
    PARTITION BY seed, round, split ORDER BY split <> 'validation' OR (seed, round, example) NOT IN (
      SELECT (seed, round, example) FROM diagnosis SEMI JOIN mine USING (node, run)
    ), example
  ), seed, round, split LIMIT ?
), d AS (
  SELECT seed, round, 'validation' AS split, example, any_value(root_cause) AS root_cause,
    any_value(scenario) AS scenario
  FROM diagnosis SEMI JOIN mine USING (node, run) SEMI JOIN picked USING (seed, round, example) GROUP BY ALL
), names AS (
  SELECT seed, id, arg_min(name, round) AS name
  FROM pattern SEMI JOIN mine USING (node, run) GROUP BY ALL
), m AS (
  SELECT o.seed, o.example, arg_min(names.name, o.round) AS pattern
  FROM pattern_member o SEMI JOIN mine USING (node, run)
  JOIN names ON names.seed = o.seed AND names.id = o.pattern
  WHERE o.example IN (SELECT example FROM picked)
  GROUP BY o.seed, o.example
), p AS (
  SELECT seed, round, split, example, text, confidence
  FROM prediction SEMI JOIN mine USING (node, run) WHERE example IN (SELECT example FROM picked) AND split <> 'test'
), later AS (
  SELECT k.seed, k.round, k.split, k.example,
    list(f.example IS NOT NULL ORDER BY p.round) AS failing
  FROM picked k
  JOIN p ON p.seed = k.seed AND p.split = k.split AND p.example = k.example AND p.round > k.round
  LEFT JOIN f ON f.seed = p.seed AND f.round = p.round AND f.split = p.split
    AND f.example = p.example
  GROUP BY ALL
), e AS (
  SELECT id, split, any_value(inputs) AS inputs, any_value(source || ':' || line) AS source
  FROM example SEMI JOIN mine USING (node, run) WHERE id IN (SELECT example FROM picked) GROUP BY id, split
)
SELECT k.*, d.root_cause, d.scenario, p.text, p.confidence, m.pattern, later.failing, e.inputs, e.source
FROM picked k
LEFT JOIN d USING (seed, round, split, example)
LEFT JOIN p USING (seed, round, split, example)
LEFT JOIN m ON m.seed = k.seed AND m.example = k.example AND k.split = 'validation'
LEFT JOIN later USING (seed, round, split, example)
LEFT JOIN e ON e.id = k.example AND e.split = k.split
ORDER BY k.seed, k.round DESC, k.split DESC, m.pattern NULLS LAST, k.example
"""


def _failure(row: Mapping[str, Any]) -> FailureSample:
    return FailureSample(
        seed=row["seed"],
        round=row["round"],
        split=row["split"],
        example=row["example"],
        source=row["source"] or "",
        inputs=shown_inputs(row["inputs"]),
        target=row["target"],
        answer=row["answer"],
        text=row["text"] or "",
        confidence=row["confidence"],
        root_cause=row["root_cause"] or "",
        scenario=row["scenario"] or "",
        pattern=row["pattern"] or "",
        later=_later(row["failing"]),
    )


def _later(failing: list[bool] | None) -> str:
    """Say what became of a failure from whether it failed in each later round."""
    if not failing:
        return "last round"
    if not failing[-1]:
        return "fixed"
    return "still failing" if all(failing) else "came back"
