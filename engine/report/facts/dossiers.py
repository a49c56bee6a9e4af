"""Reads failure patterns whole: members, life, rows written against them, price. See `engine.report.dossier`."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from engine.errors import EngineError
from engine.registry import did_you_mean
from engine.report.dossier import (
    Dossier,
    LifeRound,
    MemberRow,
    Price,
    PriceItem,
    Tally,
    Tried,
    WrittenRow,
)
from engine.report.facts.json_columns import shown_inputs
from engine.report.facts.patterns import Key, collect_patterns
from engine.report.records import MINE, Query

MOST_NAMED = 12
"""Patterns that are named where a word fits none or several."""

_PRICE = """
SELECT seed, pattern, what, sum(calls)::BIGINT AS calls, sum(tokens) AS tokens, sum(unmetered)::BIGINT AS unmetered,
  sum(cost) AS cost, sum(unpriced)::BIGINT AS unpriced
FROM all_pattern_price WHERE run = ? GROUP BY seed, pattern, place, what ORDER BY seed, pattern, place
"""
_NAMED = (
    MINE
    + """SELECT seed, id AS pattern, arg_max(includes, round) AS includes, arg_max(excludes, round) AS excludes
FROM pattern SEMI JOIN mine USING (node, run) GROUP BY ALL"""
)
_LIFE = """
SELECT seed, pattern, round, life, found, split_from, merged, rows, failed, failing, control_failing, rate, rate_low,
  rate_high, part_of, list(name) OVER (
    PARTITION BY seed, round, part_of ORDER BY found DESC, name
    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW
  ) AS beside
FROM all_pattern_life WHERE run = ? ORDER BY round
"""
# The nearest to the centroid first: they show best what a pattern is. Of the others nothing but a number is read.
_MEMBERS = (
    MINE
    + """, o AS (
  SELECT seed, pattern, example, min(round) AS round, min(distance) AS distance
  FROM pattern_member SEMI JOIN mine USING (node, run) WHERE pattern LIKE ? GROUP BY ALL
), n AS (
  SELECT seed, pattern, count(*) AS total FROM o GROUP BY ALL
), m AS (
  SELECT * FROM o QUALIFY row_number() OVER (PARTITION BY seed, pattern ORDER BY distance, example) <= ?
), last AS (
  SELECT seed, max(round) AS round FROM run_part WHERE run = ? AND kind = 'confusion' GROUP BY seed
), f AS (
  SELECT seed, round, example, inputs, target, answer, root_cause, scenario FROM all_failures
  WHERE run = ? AND example IN (SELECT example FROM m)
  -- A row may stand in the training data too.
  QUALIFY row_number() OVER (PARTITION BY seed, round, example ORDER BY split = 'train') = 1
), now AS (
  SELECT f.seed, f.example FROM f JOIN last USING (seed, round)
)
SELECT m.seed, m.pattern, m.round, m.example, f.inputs, f.target, f.answer, f.root_cause, f.scenario,
  now.example IS NOT NULL AS fails, n.total
FROM m JOIN n USING (seed, pattern) JOIN f USING (seed, round, example) LEFT JOIN now USING (seed, example)
ORDER BY m.seed, m.pattern, m.distance, m.example
"""
)
_WRITTEN = """
WITH o AS (
  SELECT seed, round, attempt, candidate, pattern,
    CASE WHEN trained_in IS NOT NULL THEN 'trained on' WHEN accepted THEN 'accepted' WHEN accepted IS NULL
      THEN 'no verdict' ELSE 'rejected' END AS outcome
  FROM all_lineage WHERE run = ? AND pattern LIKE ?
), n AS (
  SELECT seed, pattern, count(*) AS total FROM o GROUP BY ALL
), c AS (
  SELECT * FROM o
  QUALIFY row_number() OVER (PARTITION BY seed, pattern, outcome ORDER BY round, attempt, candidate) <= ?
)
SELECT c.seed, c.pattern, c.round, c.attempt, c.candidate, l.operator, l.inputs, l.target, c.outcome,
  coalesce(l.left_out, CASE WHEN NOT l.accepted THEN l.reason END, '') AS why, coalesce(l.detail, '') AS detail, n.total
FROM c JOIN n USING (seed, pattern)
JOIN (FROM all_lineage WHERE run = ? AND candidate IN (SELECT candidate FROM c)) l
  USING (seed, round, attempt, candidate)
ORDER BY c.seed, c.pattern, c.round, c.attempt, c.outcome = 'rejected', c.candidate
"""
_REJECTED = """
SELECT seed, pattern, reason, count(*) AS n FROM all_rejected_rows WHERE run = ?
GROUP BY ALL ORDER BY n DESC, reason
"""
_TRIED = (
    MINE
    + """SELECT seed, pattern, asked, failed, failed_under, passed, passed_under, precision, precision_low,
  precision_high, recall, recall_low, recall_high
FROM pattern_test SEMI JOIN mine USING (node, run) ORDER BY round"""
)


def find_pattern(query: Query, run: str, word: str) -> str:
    """Return the id of the pattern of a run that a word means: its id, the beginning of it, or its name.

    Raises:
        EngineError: it fits none, or several.
    """
    named = query(
        MINE + "SELECT DISTINCT id, name FROM pattern SEMI JOIN mine USING (node, run) ORDER BY id",
        [run],
    )
    known = {row["id"] for row in named}
    if word in known:
        return word
    fitting = {row["id"] for row in named if row["name"].casefold() == word.casefold()}
    fitting = fitting or {one for one in known if word and one.startswith(word.lower())}
    if len(fitting) == 1:
        return str(next(iter(fitting)))
    if fitting:
        listed = ", ".join(sorted(fitting)[:MOST_NAMED])
        raise EngineError(f"'{word}' fits {len(fitting)} patterns of run {run}", listed)
    if not known:
        raise EngineError(f"run {run} has no failure patterns", "list the runs with `pada runs`")
    words = known if len(known) <= MOST_NAMED else set(sorted(known)[:MOST_NAMED])
    names = {row["name"] for row in named}
    closest = did_you_mean(word, names | known)
    hint = closest if closest.startswith("did") else f"choose one of: {', '.join(sorted(words))}"
    raise EngineError(
        f"run {run} has no pattern '{word}'", f"{hint}; `pada patterns --run {run}` lists them"
    )


def collect_tallies(query: Query, run: str) -> tuple[Tally, ...]:
    """Return the patterns of a run with their prices, as a report sorts them; empty where there are none."""
    prices: dict[Key, list[PriceItem]] = defaultdict(list)
    for row in query(_PRICE, [run]):
        prices[_key(row)].append(PriceItem(**row))
    return tuple(
        Tally(one, Price(tuple(prices.get((one.seed, one.id), ()))))
        for one in collect_patterns(query, run)
    )


def collect_dossiers(
    query: Query, run: str, sample: int, pattern: str | None = None
) -> tuple[Dossier, ...]:
    """Return the patterns of a run whole.

    Args:
        query: Asks the store.
        run: The run's id.
        sample: Most members, and most rows of each outcome, of one pattern.
        pattern: Only this one, of each seed that has it; all when left out.
    """
    named = {_key(row): row for row in query(_NAMED, [run])}
    life = _by_pattern(query(_LIFE, [run]))
    one = pattern or "%"
    members = _by_pattern(query(_MEMBERS, [run, one, sample, run, run]))
    written = _by_pattern(query(_WRITTEN, [run, one, sample, run]))
    rejected = _by_pattern(query(_REJECTED, [run]))
    tried = {_key(row): row for row in query(_TRIED, [run])}
    found = []
    for tally in collect_tallies(query, run):
        key = (tally.facts.seed, tally.facts.id)
        if pattern is not None and pattern != tally.facts.id:
            continue
        found.append(
            Dossier(
                tally=tally,
                includes=tuple(named[key]["includes"] or ()),
                excludes=tuple(named[key]["excludes"] or ()),
                tried=_tried(tried[key]) if key in tried else None,
                life=tuple(map(_life_round, life.get(key, ()))),
                members=tuple(map(_member, members.get(key, ()))),
                members_total=_total(members.get(key, ())),
                written=tuple(map(_written, written.get(key, ()))),
                written_total=_total(written.get(key, ())),
                rejected=tuple((row["reason"], row["n"]) for row in rejected.get(key, ())),
            )
        )
    return tuple(found)


Rows = list[dict[str, Any]]


def _key(row: dict[str, Any]) -> Key:
    return row.pop("seed"), row.pop("pattern")


def _by_pattern(rows: Rows) -> dict[Key, Rows]:
    found: dict[Key, Rows] = defaultdict(list)
    for row in rows:
        found[_key(row)].append(row)
    return found


def _total(rows: Rows | tuple[()]) -> int:
    return int(rows[0]["total"]) if rows else 0


def _life_round(row: dict[str, Any]) -> LifeRound:
    beside = row["beside"] if row["part_of"] else ()
    lists = {"merged": tuple(row["merged"] or ()), "beside": tuple(beside or ())}
    return LifeRound(**(row | lists))


def _member(row: dict[str, Any]) -> MemberRow:
    return MemberRow(
        round=row["round"],
        example=row["example"],
        inputs=shown_inputs(row["inputs"]),
        target=row["target"],
        answer=row["answer"],
        root_cause=row["root_cause"] or "",
        scenario=row["scenario"] or "",
        fails=row["fails"],
    )


def _written(row: dict[str, Any]) -> WrittenRow:
    return WrittenRow(
        round=row["round"],
        attempt=row["attempt"],
        candidate=row["candidate"],
        operator=row["operator"],
        inputs=shown_inputs(row["inputs"]),
        target=row["target"],
        outcome=row["outcome"],
        reason=row["why"],
        detail=row["detail"],
    )


def _tried(row: dict[str, Any]) -> Tried:
    def share(name: str) -> tuple[float, float, float] | None:
        if row[name] is None:
            return None
        return row[name], row[f"{name}_low"], row[f"{name}_high"]

    numbers = ("asked", "failed", "failed_under", "passed", "passed_under")
    return Tried(**{name: row[name] for name in numbers}, precision=share("precision"),
                 recall=share("recall"))  # fmt: skip
