"""What views, reports and `pada patterns` take to answer over millions of failures, and what a row of a table weighs.

    python -m tests.benchmarks.store_views --failures 10_000_000 --state /somewhere/with/room

Makes a store by SQL (tables as a run leaves them, then what ingesting lays flat), and asks each view what people ask of
it: over the whole store, of one run, and for one page. The views are those that the store has: a new one without
questions here is counted and paged. Then each fact that a report or `pada patterns` shows of one run is collected. Wall
seconds are the least of three on a new connection; CPU is of all threads, and what counts while others work.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.report.facts import breakdown, generation, patterns, safeguards, spend
from engine.report.facts.collect import ROWS, SAMPLE
from engine.report.facts.diagnosis_map import collect_points
from engine.report.facts.dossiers import collect_dossiers, collect_tallies, find_pattern
from engine.report.records import Query
from engine.store import Store, reader
from engine.store.file import FILE
from engine.store.flat import lay_all

RUNS = 20
ROUNDS = 5
PATTERNS = 50
"""Of one round."""
TAKEN_OVER = 2
"""Runs that take all nodes over from the first runs, as those that go on do."""
PROMISE = 1.0
"""Seconds."""

MACROS = """
CREATE TEMP MACRO node_of(run, stage, round, attempt) AS md5(concat_ws('/', run, stage, round, attempt));
CREATE TEMP MACRO run_of(run) AS printf('r%04d', run);
CREATE TEMP MACRO word(i, salt) AS ['card', 'account', 'transfer', 'the', 'my', 'pending', 'yesterday', 'not', 'fee',
  'why', 'cash', 'was', 'declined', 'twice', 'abroad', 'pin', 'top-up', 'still', 'exchange', 'rate', 'to', 'from', 'a',
  'refund', 'shop', 'app', 'phone', 'verify', 'identity', 'limit', 'at', 'weekend'
  ][1 + (hash(i + salt * 1000003) % 32)::INTEGER];
CREATE TEMP MACRO phrase(i, salt) AS concat_ws(' ', word(i, salt), word(i, salt + 1), word(i, salt + 2),
  word(i, salt + 3), word(i, salt + 4), word(i, salt + 5), word(i, salt + 6), word(i, salt + 7), word(i, salt + 8),
  word(i, salt + 9), word(i, salt + 10), word(i, salt + 11));
CREATE TEMP MACRO label(i) AS 'label_' || (hash(i) % 77);
CREATE TEMP MACRO id_of(kind, run, i) AS left(md5(concat_ws(':', kind, run, i)), 16);
CREATE TEMP MACRO call_of(kind, run, i) AS left(md5(concat_ws(':', kind, run, i)), 24);
CREATE TEMP MACRO pattern_of(run, k) AS 'p-' || left(md5(concat_ws(':', 'pattern', run, k)), 8);
"""

# $run is a run's number, $n its failures per round.
ONE_RUN = """
INSERT INTO example BY NAME
SELECT node_of($run, 'load', -1, 0) AS node, run_of($run) AS run, 0 AS seed, -1 AS round, i AS position,
  id_of('example', $run, i) AS id, CASE WHEN i < 2 * $n THEN 'validation' ELSE 'train' END AS split,
  '{"text":"' || phrase(i + $run * 7919, 0) || '"}' AS inputs, label(i + $run * 7919) AS target,
  '{"source":"' || word(i, 3) || '"}' AS columns, 'data.jsonl' AS source, i + 1 AS line,
  [label(i + $run * 7919)] AS "references"
FROM range(2 * $n + $n // 2) t(i);

INSERT INTO prediction BY NAME
SELECT node_of($run, 'predict', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, i AS position,
  id_of('example', $run, i) AS example, 'validation' AS split,
  CASE WHEN (i + r) % 2 = 0 THEN label(i * 3 + r) ELSE label(i + $run * 7919) END AS text, text AS answer,
  'ok' AS status, (hash(i * 31 + r) % 1000) / 1000 AS confidence, 'label_likelihood' AS how
FROM range($rounds) u(r), range(2 * $n) t(i) ORDER BY r, i;

INSERT INTO failure BY NAME
SELECT node_of($run, 'score', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id_of('example', $run, 2 * k + r % 2) AS example, 'validation' AS split,
  label((2 * k + r % 2) * 3 + r) AS answer, label(2 * k + r % 2 + $run * 7919) AS target, 'accuracy < 1' AS predicate
FROM range($rounds) u(r), range($n) t(k) ORDER BY r, k;

INSERT INTO diagnosis BY NAME
SELECT node_of($run, 'diagnose', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id_of('diagnosis' || r, $run, k) AS id, id_of('example', $run, 2 * k + r % 2) AS example,
  'The student took ' || phrase(k * 5 + r, 20) AS root_cause, 'A request about ' || phrase(k * 7 + r, 40) AS scenario,
  call_of('diagnose' || r, $run, k // 6) AS call, word(k, 60) AS evidence, phrase(k, 61) AS reasoning,
  word(k, 80) AS skill, 4 AS confidence,
  CASE WHEN k % 10 = 0 THEN 'kind ' || hash(k) % 40 END AS proposed
FROM range($rounds) u(r), range($n) t(k) ORDER BY r, k;

INSERT INTO pattern_member BY NAME
SELECT node_of($run, 'cluster', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  pattern_of($run, hash(k) % $patterns) AS pattern, id_of('example', $run, 2 * k + r % 2) AS example,
  id_of('diagnosis' || r, $run, k) AS diagnosis, 0.25 AS distance, 0.1 AS silhouette
FROM range($rounds) u(r), range($n) t(k) ORDER BY r, k;

INSERT INTO diagnosis_place BY NAME
SELECT node_of($run, 'cluster', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id_of('diagnosis' || r, $run, k) AS diagnosis, (hash(k) % 1000) / 1000 AS x, (hash(k * 3) % 1000) / 1000 AS y
FROM range($rounds) u(r), range($n) t(k) ORDER BY r, k;

INSERT INTO pattern BY NAME
SELECT node_of($run, 'name', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, p AS position,
  pattern_of($run, p) AS id, phrase(p, $run) AS name, phrase(p, 100) AS description, 'category ' || p % 7 AS category,
  ($n // $patterns)::INTEGER AS size, [1.0] AS centroid, 0.2 AS silhouette
FROM range($rounds) u(r), range($patterns) t(p) ORDER BY r, p;

INSERT INTO strategy BY NAME
SELECT node_of($run, 'strategy', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, p AS position,
  id_of('strategy' || r, $run, p) AS id, pattern_of($run, p) AS pattern, phrase(p + r, 120) AS text,
  ['label_1'] AS labels
FROM range($rounds) u(r), range($patterns) t(p) ORDER BY r, p;

INSERT INTO pattern_status BY NAME
SELECT node_of($run, 'track', r + 1, 0) AS node, run_of($run) AS run, 0 AS seed, r + 1 AS round, p AS position,
  pattern_of($run, p) AS pattern, ['mended', 'unclear', 'worse'][1 + p % 3] AS status,
  ($n // $patterns)::INTEGER AS before, ($n // $patterns // 2)::INTEGER AS after, ($n // $patterns)::INTEGER AS rows,
  9 AS mended, 3 AS broken, 6 AS control_mended, 4 AS control_broken, 0.1 AS effect, 0.05 AS low, 0.15 AS high,
  0.01 AS p
FROM range($rounds) u(r), range($patterns) t(p) ORDER BY r, p;

INSERT INTO pattern_row BY NAME
SELECT node_of($run, 'track', r + 1, 0) AS node, run_of($run) AS run, 0 AS seed, r + 1 AS round, k AS position,
  pattern_of($run, hash(k) % $patterns) AS pattern, id_of('example', $run, 4 * k + 1) AS example,
  'validation' AS part, 0.5 AS similarity, r % 2 = 1 AS failed, r % 2 = 0 AS fails, k % 3 = 0 AS control_fails
FROM range($rounds) u(r), range($n // 2) t(k) ORDER BY r, k;

INSERT INTO regression BY NAME
SELECT node_of($run, 'guard', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id_of('example', $run, 20 * k + 1) AS example, r % 2 = 1 AS fails, k % 3 = 0 AS control_fails,
  pattern_of($run, hash(5 * k) % $patterns) AS pattern
FROM range(1, $rounds) u(r), range($n // 10) t(k) ORDER BY r, k;

CREATE OR REPLACE TEMP TABLE made AS
SELECT r, k, CASE WHEN k % 5 < 4 THEN 1 ELSE 2 END AS attempt, hash(k) % $patterns AS p,
  id_of('candidate' || r, $run, k) AS id, hash(k * 13) % 100 < 55 AS accepted, hash(k * 17) % 100 < 80 AS kept
FROM range($rounds) u(r), range($n // 2) t(k) ORDER BY r, attempt, k;

INSERT INTO candidate BY NAME
SELECT node_of($run, 'generate', r, attempt) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position, id,
  id_of('example', $run, 2 * $n + k) AS parent, pattern_of($run, p) AS pattern,
  id_of('strategy' || r, $run, p) AS strategy, ['paraphrase', 'similar', 'contrast_pair'][1 + k % 3] AS operator,
  attempt, '{"text":"' || phrase(k * 3 + r, 0) || '"}' AS inputs, label(k * 11) AS target, 'b71e8ab0f3d1c3a7' AS prompt,
  'a teacher' AS model, call_of('generate' || r, $run, k // 4) AS call
FROM made;

INSERT INTO row_call BY NAME
SELECT node, run, seed, round, min(position) AS position, call, pattern, strategy, operator, count(*)::INTEGER AS rows
FROM candidate WHERE run = run_of($run) GROUP BY ALL ORDER BY round, position;

INSERT INTO verdict BY NAME
SELECT node_of($run, 'judge', r, attempt) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id AS candidate, accepted,
  CASE WHEN accepted THEN 'accepted' ELSE ['judge', 'neighbours', 'duplicate', 'leak'][1 + k % 4] END AS reason,
  '' AS detail, CASE WHEN accepted THEN '' ELSE phrase(k, 140) END AS feedback, 4 AS adherence, 3 AS utility,
  5 AS relevance, accepted AS judge_agrees, 0.75 AS similarity, 0.1 AS neighbour,
  call_of('judge' || r, $run, k // 4) AS call
FROM made;

INSERT INTO selected BY NAME
SELECT node_of($run, 'select', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id AS candidate, id_of('generated' || r, $run, k) AS example
FROM made WHERE accepted AND kept;

INSERT INTO example BY NAME
SELECT node_of($run, 'select', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id_of('generated' || r, $run, k) AS id, 'train' AS split, '{"text":"' || phrase(k * 3 + r, 0) || '"}' AS inputs,
  label(k * 11) AS target,
  CASE WHEN k % 50 = 0 THEN '{"replaces":"' || id_of('example', $run, 2 * $n + k) || '"}' ELSE '{}' END AS columns,
  'generated' AS source, k + 1 AS line, [label(k * 11)] AS "references"
FROM made WHERE accepted AND kept;

INSERT INTO "drop" BY NAME
SELECT node_of($run, 'select', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  'select' AS stage, id AS item, ['over_quota', 'duplicate'][1 + k % 2] AS reason, '' AS detail
FROM made WHERE accepted AND NOT kept
UNION ALL
SELECT node_of($run, 'generate', r, 1), run_of($run), 0, r, k, 'generate', id_of('example', $run, 2 * $n + k),
  ['unusable_reply', 'prompt_leak'][1 + k % 2], ''
FROM made WHERE k % 50 = 0;

INSERT INTO llm_call BY NAME
SELECT call_of(stage || r, $run, k) AS id, run_of($run) AS run,
  node_of($run, stage, r, CASE WHEN stage = 'diagnose' THEN 0 ELSE 1 END) AS node,
  CASE WHEN stage = 'judge' THEN 'judge' ELSE 'teacher' END AS role, 'a teacher' AS model,
  '[{"role":"user","content":"' || phrase(k, 160) || '"}]' AS messages, '{"type":"object"}' AS schema,
  900 AS max_tokens, 0.0 AS temperature, 0 AS attempt, '{"answer":"' || phrase(k, 180) || '"}' AS reply,
  'stop' AS finish_reason, 300 + k % 100 AS prompt_tokens, 200 AS completion_tokens, 1.5 AS seconds, 'json' AS method,
  NULL AS error, '' AS detail, TIMESTAMP '2026-03-01' + to_seconds(k) AS created, 0.002 AS cost, '[]' AS tries
FROM range($rounds) u(r),
  (SELECT 'diagnose' AS stage, unnest(range(($n + 5) // 6)) AS k
   UNION ALL SELECT 'generate', unnest(range(($n // 2 + 3) // 4))
   UNION ALL SELECT 'judge', unnest(range(($n // 2 + 3) // 4))) t
ORDER BY r, stage, k;

INSERT INTO metric BY NAME
SELECT node_of($run, 'score', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, 0 AS position, split,
  metric, 0.5 AS value, 100 AS n, 0.4 AS low, 0.6 AS high
FROM range($rounds) u(r), unnest(['train', 'validation', 'test', 'gap_validation', 'gap_test']) s(split),
  unnest(['accuracy', 'macro_f1']) m(metric);

INSERT INTO benchmark BY NAME
SELECT node_of($run, 'benchmark', $rounds - 1, 0) AS node, run_of($run) AS run, 0 AS seed, $rounds - 1 AS round,
  0 AS position, 'student' AS subject, 'a server' AS server, c AS concurrency, 100 AS requests, 0 AS failed, metric,
  100 AS n, 5.0 AS mean, 5.0 AS p50, 6.0 AS p90, 7.0 AS p95, 8.0 AS p99
FROM unnest([1, 4, 16]) u(c), unnest(['time_to_first_token_ms', 'request_latency_ms', 'requests_per_second']) m(metric);

INSERT INTO recipe VALUES ('recipe' || $run % 5, 'recipe ' || $run % 5, 'r.yaml', '', '{}') ON CONFLICT DO NOTHING;
INSERT INTO run BY NAME
SELECT run_of($run) AS id, 'recipe' || $run % 5 AS recipe, 'done' AS status,
  TIMESTAMP '2026-03-01' + to_hours($run) AS started, '{}' AS versions;
INSERT INTO node BY NAME
SELECT node_of($run, stage, r, attempt) AS id, concat_ws('/', 'seed-0', 'round-' || r, stage || attempt) AS name,
  stage, 0 AS seed, r AS round, attempt, '{}' AS identity, run_of($run) AS run,
  TIMESTAMP '2026-03-01' + to_hours($run) AS started, TIMESTAMP '2026-03-01' + to_hours($run) AS ended, '' AS content,
  CASE stage WHEN 'load' THEN '{"example":1}' WHEN 'predict' THEN '{"prediction":1}'
    WHEN 'score' THEN '{"failure":1,"metric":1}' WHEN 'diagnose' THEN '{"diagnosis":1}'
    WHEN 'cluster' THEN '{"pattern_member":1,"diagnosis_place":1}'
    WHEN 'name' THEN '{"pattern":1}' WHEN 'strategy' THEN '{"strategy":1}'
    WHEN 'generate' THEN '{"candidate":1,"row_call":1,"drop":1}' WHEN 'judge' THEN '{"verdict":1}'
    WHEN 'select' THEN '{"selected":1,"example":1,"drop":1}' WHEN 'track' THEN '{"pattern_status":1,"pattern_row":1}'
    WHEN 'guard' THEN '{"regression":1}'
    ELSE '{}' END AS counts
FROM (
  SELECT 'load' AS stage, -1 AS r, 0 AS attempt
  UNION ALL SELECT stage, r, 0 FROM range($rounds) u(r), unnest(['train', 'predict', 'score', 'decide', 'draw',
    'diagnose', 'cluster', 'name', 'strategy', 'select', 'benchmark']) s(stage)
  UNION ALL SELECT stage, r, attempt FROM range($rounds) u(r), unnest(['generate', 'judge']) s(stage),
    unnest([1, 2]) a(attempt)
  UNION ALL SELECT 'track', r + 1, 0 FROM range($rounds) u(r)
  UNION ALL SELECT 'guard', r, 0 FROM range(1, $rounds) u(r)
);
INSERT INTO run_node
SELECT run, id, name, row_number() OVER () - 1, 'done' FROM node WHERE run = run_of($run);
"""

TAKE_OVER = """
INSERT INTO run BY NAME
SELECT run_of($run) AS id, recipe, 'done' AS status, TIMESTAMP '2026-03-01' + to_hours($run) AS started,
  '{}' AS versions FROM run WHERE id = run_of($first);
INSERT INTO run_node SELECT run_of($run), node, name, position, 'cached' FROM run_node WHERE run = run_of($first);
"""

RUN = "'r0007'"
QUESTIONS: dict[str, dict[str, str]] = {
    "all_run_rows": {"nodes of a run": f"FROM all_run_rows WHERE run = {RUN}"},
    "all_failures": {
        "by pattern": "SELECT pattern, count(*) AS n FROM all_failures GROUP BY pattern ORDER BY n DESC LIMIT 20",
        "by pattern, a run": "SELECT round, pattern, any_value(pattern_name), count(*) AS n FROM all_failures"
        f" WHERE run = {RUN} GROUP BY ALL ORDER BY round, n DESC",
        "by category, round": "SELECT category, round, count(*) AS n FROM all_failures GROUP BY ALL ORDER BY n DESC",
        "confused labels": "SELECT target, answer, count(*) AS n FROM all_failures"
        " GROUP BY ALL ORDER BY n DESC LIMIT 20",
        "confused in a pattern": "SELECT target, answer, count(*) AS n FROM all_failures"
        " WHERE pattern = (SELECT min(id) FROM pattern) GROUP BY ALL ORDER BY n DESC LIMIT 20",
        "page of a pattern": "SELECT example, inputs, target, answer, prediction, root_cause, scenario"
        " FROM all_failures"
        f" WHERE run = {RUN} AND pattern = (SELECT min(id) FROM pattern WHERE run = {RUN}) LIMIT 20",
        "one row, all rounds": "SELECT round, answer, pattern_name, root_cause FROM all_failures WHERE example ="
        f" (SELECT any_value(example) FROM failure WHERE run = {RUN} AND round = 1 AND position = 5)",
        "broken by a round": f"SELECT count(*) FROM all_failures f WHERE run = {RUN} AND round = 2 AND NOT EXISTS"
        f" (FROM all_failures g WHERE g.run = f.run AND g.round = 1 AND g.example = f.example)",
    },
    "all_failure_patterns": {
        "of a run": f"FROM all_failure_patterns WHERE run = {RUN} ORDER BY round, size DESC",
        "by status": "SELECT status, count(*), sum(failing) FROM all_failure_patterns GROUP BY status",
    },
    "all_pattern_history": {
        "of a run": f"FROM all_pattern_history WHERE run = {RUN} ORDER BY pattern, round",
        "of a pattern": "FROM all_pattern_history WHERE pattern = (SELECT min(id) FROM pattern) ORDER BY run, round",
    },
    "all_training_rows": {
        "by round, a run": "SELECT round, origin, operator, count(*) FROM all_training_rows"
        f" WHERE run = {RUN} GROUP BY ALL ORDER BY ALL",
        "generated by pattern": "SELECT pattern, operator, count(*) FROM all_training_rows WHERE origin = 'generated'"
        " GROUP BY ALL",
        "page of a round": f"FROM all_training_rows WHERE run = {RUN} AND round = 3 AND origin = 'generated' LIMIT 20",
    },
    "all_lineage": {
        "one row": "FROM all_lineage WHERE candidate ="
        f" (SELECT min(id) FROM candidate WHERE run = {RUN} AND round = 1)",
        "one trained row": "FROM all_lineage WHERE example ="
        f" (SELECT min(example) FROM selected WHERE run = {RUN} AND round = 1)",
        "accepted by operator": "SELECT operator, avg(accepted::INTEGER), count(*) FROM all_lineage GROUP BY operator",
        "by pattern, a run": "SELECT pattern_name, count(*), count(example) FROM all_lineage"
        f" WHERE run = {RUN} GROUP BY ALL",
        "children of a row": "FROM all_lineage WHERE parent ="
        f" (SELECT min(parent) FROM candidate WHERE run = {RUN} AND round = 1)",
    },
    "all_rejected_rows": {
        "by reason": "SELECT reason, count(*) AS n FROM all_rejected_rows GROUP BY reason ORDER BY n DESC",
        "by pattern, a run": "SELECT pattern_name, reason, count(*) FROM all_rejected_rows"
        f" WHERE run = {RUN} GROUP BY ALL",
        "page of a reason": "SELECT inputs, target, feedback, parent_inputs FROM all_rejected_rows"
        f" WHERE run = {RUN} AND reason = 'judge' LIMIT 20",
    },
    "all_leaderboard": {
        "of a run": f"FROM all_leaderboard WHERE run = {RUN} ORDER BY round, split",
        "best": "SELECT run, metric, max(value) FROM all_leaderboard WHERE split = 'test' GROUP BY ALL",
    },
    "all_payoff": {
        "of a run": f"FROM all_payoff WHERE run = {RUN} ORDER BY points DESC NULLS LAST",
        "by operator": "SELECT operator, sum(selected), sum(tokens), sum(points) FROM all_payoff GROUP BY operator",
        "dearest patterns": "SELECT pattern, sum(tokens) AS t FROM all_payoff GROUP BY ALL ORDER BY t DESC LIMIT 20",
    },
    "all_spend": {
        "of a run": f"FROM all_spend WHERE run = {RUN} ORDER BY role, stage, round",
        "by role": "SELECT role, origin, sum(calls), sum(tokens), sum(cost) FROM all_spend GROUP BY ALL",
    },
    "all_funnel": {
        "of a run": f"FROM all_funnel WHERE run = {RUN} ORDER BY round, step, reason",
        "all": "SELECT step, what, reason, sum(rows) FROM all_funnel GROUP BY ALL ORDER BY ALL",
    },
    "all_confusion": {
        "of a run": f"SELECT target, answer, n FROM all_confusion WHERE run = {RUN} AND round = 1 AND target <> answer"
        " ORDER BY n DESC LIMIT 20",
        "all": "SELECT target, answer, sum(n) AS s FROM all_confusion WHERE split = 'validation' GROUP BY ALL"
        " ORDER BY s DESC LIMIT 20",
    },
    "all_proposed_categories": {
        "of a run": f"FROM all_proposed_categories WHERE run = {RUN} ORDER BY failures DESC",
        "all": "SELECT name, sum(failures) AS n FROM all_proposed_categories GROUP BY name ORDER BY n DESC LIMIT 20",
    },
    "all_deployment": {
        "of a run": f"FROM all_deployment WHERE run = {RUN}",
        "all": "FROM all_deployment",
    },
    "all_broken_rows": {
        "of a run": f"FROM all_broken_rows WHERE run = {RUN} AND round = 1 AND fails",
        "by pattern": "SELECT run, pattern, count(*) AS n FROM all_broken_rows WHERE fails GROUP BY ALL"
        " ORDER BY n DESC LIMIT 20",
        "page of a run": f"FROM all_broken_rows WHERE run = {RUN} LIMIT 20",
    },
    "last_runs": {"all": "FROM last_runs"},
    # Of the latest run of each recipe: what README asks, and pages.
    "failures": {
        "by pattern": "SELECT pattern, count(*) AS n FROM failures GROUP BY pattern ORDER BY n DESC LIMIT 20",
        "confused labels": "SELECT target, answer, count(*) AS n FROM failures GROUP BY ALL ORDER BY n DESC LIMIT 20",
        "page": "FROM failures LIMIT 20",
    },
    "rejected_rows": {"by reason": "SELECT reason, count(*) FROM rejected_rows GROUP BY ALL"},
    "failure_patterns": {"by size": "FROM failure_patterns ORDER BY size DESC LIMIT 20"},
}


def make(state: Path, failures: int) -> None:
    """Fill a new store by SQL, in the order in which runs would."""
    import duckdb

    Store.open(state)
    per_round = failures // (RUNS * ROUNDS)
    with duckdb.connect(str(state / FILE)) as connection:
        connection.execute(MACROS)
        for number in range(1, RUNS + 1):
            numbers = {"run": number, "n": per_round, "rounds": ROUNDS, "patterns": PATTERNS}
            _execute(connection, ONE_RUN, numbers)
        for number in range(1, TAKEN_OVER + 1):
            _execute(connection, TAKE_OVER, {"run": RUNS + number, "first": number})
        began = time.monotonic()
        lay_all(connection)
        print(f"laid flat in {time.monotonic() - began:.0f} s")


def _execute(connection: Any, sql: str, numbers: dict[str, int]) -> None:
    for name, value in sorted(numbers.items(), reverse=True):
        sql = sql.replace(f"${name}", str(value))
    for statement in connection.extract_statements(sql):
        connection.execute(statement)


def views(state: Path) -> list[str]:
    """Return the names of the store's views."""
    import duckdb

    with duckdb.connect(str(state / FILE), read_only=True) as connection:
        found = connection.execute(
            "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY view_name"
        ).fetchall()
    return [name for (name,) in found]


def questions(names: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (view, question, SQL): those stated here, and for a view without any a count and a page."""
    for name in names:
        stated = QUESTIONS.get(name) or {
            "count": f'SELECT count(*) FROM "{name}"',
            "page": f'FROM "{name}" LIMIT 20',
        }
        for question, sql in stated.items():
            yield name, question, sql


def facts(state: Path) -> Mapping[str, Callable[[Query], object]]:
    """Return what the report and `pada patterns` collect of one run, by what it is."""
    run = RUN.strip("'")
    with reader(state) as query:
        (first,) = query("SELECT min(id) AS id FROM pattern WHERE run = ?", [run])
    word, recipe = first["id"], {"task": {"kind": "classification"}}
    return {
        "pada patterns": lambda query: collect_tallies(query, run),
        "pada patterns show": lambda query: collect_dossiers(
            query, run, ROWS, find_pattern(query, run, word)
        ),
        "report: all patterns whole": lambda query: collect_dossiers(query, run, ROWS),
        "report: map": lambda query: collect_points(query, run),
        "report: movements": lambda query: patterns.collect_movements(query, run),
        "report: confusions": lambda query: patterns.collect_confusions(query, run, recipe),
        "report: matrix": lambda query: breakdown.collect_matrix(query, run, recipe),
        "report: suspects": lambda query: patterns.collect_suspects(query, run),
        "report: failures": lambda query: patterns.collect_failures(query, run, SAMPLE),
        "report: candidates": lambda query: generation.collect_candidates(query, run, SAMPLE),
        "report: funnel": lambda query: generation.collect_funnel(query, run),
        "report: drops": lambda query: generation.collect_drops(query, run),
        "report: calls": lambda query: spend.collect_calls(query, run, {}),
        "report: regressions": lambda query: safeguards.collect_suites(query, run),
    }


def asked(sql: str) -> Callable[[Query], object]:
    """Return what asks one statement."""
    return lambda query: query(sql, [])


def seconds(
    state: Path, ask: Callable[[Query], object], tries: int = 3
) -> tuple[float, float, int]:
    """Return the least wall seconds, the CPU seconds of that try, and the number of rows."""
    found = []
    with reader(state) as query:
        for _ in range(tries):
            wall, cpu = time.monotonic(), time.process_time()
            answer = ask(query)
            rows = len(answer) if isinstance(answer, list | tuple) else 1
            found.append((time.monotonic() - wall, time.process_time() - cpu, rows))
            if found[-1][0] > 30:
                break
    return min(found)


def sizes(state: Path) -> Iterator[tuple[str, int, int]]:
    """Yield each table with its rows and the bytes of its blocks, the largest first."""
    import duckdb

    with duckdb.connect(str(state / FILE), read_only=True) as connection:
        (block,) = connection.execute(
            "SELECT block_size FROM pragma_database_size()"
        ).fetchone() or (0,)
        names = connection.execute(
            "SELECT table_name, estimated_size FROM duckdb_tables() WHERE estimated_size > 0"
        ).fetchall()
        found = []
        for name, rows in names:
            (blocks,) = connection.execute(
                "SELECT count(DISTINCT block_id) FROM pragma_storage_info(?)"
                " WHERE block_id >= 0", [name],
            ).fetchone() or (0,)  # fmt: skip
            found.append((name, rows, blocks * block))
    yield from sorted(found, key=lambda table: -table[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--failures", type=int, default=1_000_000)
    parser.add_argument(
        "--state", type=Path, required=True, help="a folder; a store in it is reused"
    )
    parser.add_argument("--view", default="", help="only the views whose names hold this; facts")
    arguments = parser.parse_args()
    if not (arguments.state / FILE).exists():
        began = time.monotonic()
        make(arguments.state, arguments.failures)
        print(f"made in {time.monotonic() - began:.0f} s")
    slow = 0
    asking = [(view, what, asked(sql)) for view, what, sql in questions(views(arguments.state))]
    asking += [("facts", what, ask) for what, ask in facts(arguments.state).items()]
    print("| view | question | rows | seconds | CPU seconds |\n|---|---|---|---|---|")
    for view, question, ask in asking:
        if arguments.view in view:
            wall, cpu, rows = seconds(arguments.state, ask)
            slow += cpu > PROMISE
            print(f"| {view} | {question} | {rows:,} | {wall:.2f} | {cpu:.2f} |", flush=True)
    print(
        f"\n{slow} over {PROMISE} s of CPU\n\n| table | rows | MB | bytes a row |\n|---|---|---|---|"
    )
    for name, rows, size in sizes(arguments.state):
        print(f"| {name} | {rows:,} | {size / 1e6:,.1f} | {size / rows:.0f} |")
    whole = os.path.getsize(arguments.state / FILE)
    print(f"\nfile: {whole / 1e9:.2f} GB, {whole / arguments.failures:.0f} bytes a failure")


if __name__ == "__main__":
    main()
