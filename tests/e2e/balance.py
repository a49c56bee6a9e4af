"""The balance of rows after a run: of everything that went into a stage it says what came of it.

Each rule compares two lists of keys, node by node: what went in, and what came out or was dropped. They must be the
same, however often a key comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.report.records import Query
from engine.store import FILE, reader

HERE = """
WITH here AS (
  SELECT rn.name, rn.node AS id, n.stage, n.seed, n.round, n.attempt, n.counts,
    regexp_replace(rn.name, '/[^/]*$', '') AS place,
    -- The untuned student is evaluated once for all seeds.
    regexp_replace(regexp_replace(rn.name, '/[^/]*$', ''), '^seed-[0-9]+/untuned$', 'untuned') AS evaluated
  FROM run_node rn JOIN node n ON n.id = rn.node
  WHERE rn.run = (SELECT max(id) FROM run) AND rn.status IN ('done', 'cached')
)
"""
"""The nodes of the latest run that are finished: `place` is the round's prefix, `evaluated` that of its evaluation."""


class Rule(NamedTuple):
    """What must be the same; both queries give the node's name and a key."""

    name: str
    into: str
    out: str
    whole: bool = True
    """False where nothing more is asked than that all of `into` is in `out`."""


DATA = "(SELECT max(stage) FROM here WHERE stage IN ('load', 'mend'))"
"""The stage whose rows of the data are trained on: as people mended them, where they did."""

RULES = (
    Rule(
        "rows of the data = rows after mending + drops",
        "SELECT h.name, (SELECT count(*) FROM example e JOIN here l ON l.id = e.node WHERE l.stage = 'load')::VARCHAR"
        " AS key FROM here h WHERE h.stage = 'mend'",
        "SELECT h.name, ((SELECT count(*) FROM example e WHERE e.node = h.id)"
        " + (SELECT count(*) FROM \"drop\" d WHERE d.node = h.id))::VARCHAR AS key FROM here h WHERE h.stage = 'mend'",
    ),
    Rule(
        "a split holds no example twice",
        "SELECT DISTINCT h.name, concat_ws(' ', e.split, e.id) AS key"
        " FROM here h JOIN example e ON e.node = h.id WHERE h.stage IN ('load', 'mend')",
        "SELECT h.name, concat_ws(' ', e.split, e.id) AS key"
        " FROM here h JOIN example e ON e.node = h.id WHERE h.stage IN ('load', 'mend')",
    ),
    Rule(
        "examples = predictions",
        "SELECT h.name, concat_ws(' ', e.split, e.id) AS key FROM here h, here l JOIN example e ON e.node = l.id"
        # The untuned student is asked about rows as they were before people mended them.
        f" WHERE h.stage = 'predict' AND (l.stage = CASE WHEN h.round = -1 THEN 'load' ELSE {DATA} END"
        # The untuned student is not asked about a log, and nobody where no right answer is known.
        " OR (l.stage = 'logged' AND h.round <> -1 AND e.target <> ''))",
        "SELECT h.name, concat_ws(' ', p.split, p.example) AS key"
        " FROM here h JOIN prediction p ON p.node = h.id WHERE h.stage = 'predict'",
    ),
    Rule(
        "answers x metrics with a rubric = ratings",
        "SELECT h.name, concat_ws(' ', m.metric, p.split, p.example) AS key FROM here h"
        " JOIN here q ON q.place = h.place AND q.stage = 'predict'"
        " JOIN prediction p ON p.node = q.id AND p.status <> 'backend_failed' AND p.split <> 'logged'"
        " JOIN (SELECT DISTINCT node, metric FROM rating) m ON m.node = h.id WHERE h.stage = 'rate'",
        "SELECT h.name, concat_ws(' ', r.metric, r.split, r.example) AS key"
        " FROM here h JOIN rating r ON r.node = h.id WHERE h.stage = 'rate'",
    ),
    Rule(
        "predictions x metrics = scores + drops",
        "SELECT h.name, concat_ws(' ', m.metric, p.example) AS key FROM here h"
        " JOIN here q ON q.place = h.place AND q.stage = 'predict' JOIN prediction p ON p.node = q.id"
        " JOIN (SELECT DISTINCT node, metric FROM score) m ON m.node = h.id WHERE h.stage = 'score'",
        "SELECT h.name, concat_ws(' ', s.metric, s.example) AS key"
        " FROM here h JOIN score s ON s.node = h.id WHERE h.stage = 'score'"
        " UNION ALL SELECT h.name, concat_ws(' ', m.metric, d.item) AS key FROM here h"
        ' JOIN "drop" d ON d.node = h.id'
        " JOIN (SELECT DISTINCT node, metric FROM score) m ON m.node = h.id WHERE h.stage = 'score'",
    ),
    Rule(
        "failures are predictions, none of them on test",
        "SELECT h.name, concat_ws(' ', f.split, f.example) AS key"
        " FROM here h JOIN failure f ON f.node = h.id WHERE h.stage = 'score'",
        "SELECT h.name, concat_ws(' ', p.split, p.example) AS key FROM here h"
        " JOIN here q ON q.place = h.place AND q.stage = 'predict' JOIN prediction p ON p.node = q.id"
        " WHERE h.stage = 'score' AND p.split <> 'test'",
        whole=False,
    ),
    Rule(
        "the parts of a slice hold all rows of their split",
        "SELECT h.name, concat_ws(' ', s.slice, m.split, m.metric, m.n) AS key FROM here h"
        " JOIN here q ON q.place = h.place AND q.stage = 'score' JOIN metric m ON m.node = q.id"
        " JOIN (SELECT DISTINCT node, slice, split, metric FROM metric_slice) s"
        " ON s.node = h.id AND s.split = m.split AND s.metric = m.metric WHERE h.stage = 'slice'",
        "SELECT h.name, concat_ws(' ', s.slice, s.split, s.metric, sum(s.n)) AS key FROM here h"
        " JOIN metric_slice s ON s.node = h.id WHERE h.stage = 'slice'"
        " GROUP BY h.name, s.slice, s.split, s.metric",
    ),
    Rule(
        "failures of the sources = failures drawn, those of a log apart",
        "SELECT DISTINCT h.name, f.example AS key FROM here h JOIN node n ON n.id = h.id"
        " JOIN here s ON s.place = h.evaluated AND s.stage = 'score'"
        " JOIN failure f ON f.node = s.id AND list_contains("
        "coalesce(CAST(n.identity -> '$.params.sources' AS VARCHAR[]), ['validation']), f.split)"
        " AND f.split <> 'logged' WHERE h.stage = 'draw'",
        "SELECT h.name, d.example AS key FROM here h JOIN drawn_failure d ON d.node = h.id AND d.split <> 'logged'",
    ),
    Rule(
        "failures of a log that are drawn are in it",
        "SELECT h.name, d.example AS key FROM here h JOIN drawn_failure d ON d.node = h.id AND d.split = 'logged'",
        "SELECT h.name, f.example AS key FROM here h, here g JOIN failure f ON f.node = g.id AND f.split = 'logged'"
        " WHERE h.stage = 'draw' AND (g.stage = 'logged' OR (g.stage = 'score' AND g.place = h.evaluated))",
        whole=False,
    ),
    Rule(
        "failures drawn for diagnosis = diagnoses + drops",
        "SELECT h.name, d.example AS key FROM here h"
        " JOIN here w ON w.place = h.place AND w.stage = 'draw'"
        " JOIN drawn_failure d ON d.node = w.id AND d.part = 'diagnose' WHERE h.stage = 'diagnose'",
        "SELECT h.name, d.example AS key FROM here h JOIN diagnosis d ON d.node = h.id"
        " AND d.mendable AND NOT d.suspect WHERE h.stage = 'diagnose'"
        ' UNION ALL SELECT h.name, d.item AS key FROM here h JOIN "drop" d ON d.node = h.id'
        " AND d.reason NOT IN ('evidence_not_found', 'not_asked')"
        " WHERE h.stage = 'diagnose'",
    ),
    Rule(
        "suspected rows = rows whose label may be wrong, each dropped",
        "SELECT h.name, d.example AS key FROM here h JOIN diagnosis d ON d.node = h.id AND d.suspect",
        "SELECT h.name, s.example AS key FROM here h JOIN label_suspect s ON s.node = h.id"
        " AND h.stage = 'diagnose'"
        ' JOIN "drop" d ON d.node = h.id AND d.item = s.example'
        " AND d.reason = 'label_suspect'",
    ),
    Rule(
        "diagnoses = members + drops",
        "SELECT h.name, d.id AS key FROM here h JOIN here g ON g.place = h.place AND g.stage = 'diagnose'"
        " JOIN diagnosis d ON d.node = g.id AND d.mendable AND NOT d.suspect WHERE h.stage = 'cluster'",
        "SELECT h.name, m.diagnosis AS key FROM here h JOIN cluster_member m ON m.node = h.id"
        " WHERE h.stage = 'cluster'"
        ' UNION ALL SELECT h.name, d.item AS key FROM here h JOIN "drop" d ON d.node = h.id'
        " WHERE h.stage = 'cluster'",
    ),
    Rule(
        "members of clusters = members of patterns, each of its cluster or of a part of it, + misfits",
        "SELECT h.name, concat_ws(' ', m.diagnosis, m.pattern) AS key FROM here h"
        " JOIN here c ON c.place = h.place AND c.stage = 'cluster' JOIN cluster_member m ON m.node = c.id"
        " WHERE h.stage = 'name' AND (h.id, m.diagnosis) NOT IN"
        " (SELECT (node, item) FROM \"drop\" WHERE reason = 'misfit')",
        "SELECT h.name, concat_ws(' ', m.diagnosis, coalesce(p.split_from, p.id)) AS key FROM here h"
        " JOIN pattern_member m ON m.node = h.id JOIN pattern p ON p.node = h.id AND p.id = m.pattern"
        " WHERE h.stage = 'name'",
    ),
    Rule(
        "misfits are members of clusters",
        'SELECT h.name, d.item AS key FROM here h JOIN "drop" d ON d.node = h.id'
        " WHERE h.stage = 'name' AND d.reason = 'misfit'",
        "SELECT h.name, m.diagnosis AS key FROM here h JOIN here c ON c.place = h.place AND c.stage = 'cluster'"
        " JOIN cluster_member m ON m.node = c.id WHERE h.stage = 'name'",
        whole=False,
    ),
    Rule(
        "members = sizes of the patterns",
        "SELECT h.name, concat_ws(' ', m.pattern, count(*)) AS key FROM here h"
        " JOIN pattern_member m ON m.node = h.id WHERE h.stage = 'name' GROUP BY h.name, m.pattern",
        "SELECT h.name, concat_ws(' ', p.id, p.size) AS key"
        " FROM here h JOIN pattern p ON p.node = h.id WHERE h.stage = 'name'",
    ),
    Rule(
        "patterns = tests of patterns",
        "SELECT h.name, p.id AS key FROM here h JOIN here n ON n.place = h.place AND n.stage = 'name'"
        " JOIN pattern p ON p.node = n.id WHERE h.stage = 'confirm'",
        "SELECT h.name, t.pattern AS key FROM here h JOIN pattern_test t ON t.node = h.id",
    ),
    Rule(
        "rows on which patterns are tested = answers + drops",
        "SELECT h.name, concat_ws(' ', t.pattern, t.asked) AS key FROM here h"
        " JOIN pattern_test t ON t.node = h.id AND t.asked > 0",
        "SELECT name, concat_ws(' ', pattern, count(*)) AS key FROM (SELECT h.name, a.pattern FROM here h"
        " JOIN pattern_test_row a ON a.node = h.id"
        " UNION ALL SELECT h.name, split_part(d.item, ' ', 1) AS pattern FROM here h"
        " JOIN \"drop\" d ON d.node = h.id WHERE h.stage = 'confirm' AND d.reason <> 'not_asked')"
        " GROUP BY name, pattern",
    ),
    Rule(
        "patterns that rows are written against = strategies",
        "SELECT h.name, p.id AS key FROM here h JOIN here n ON n.place = h.place AND n.stage = 'name'"
        " JOIN pattern p ON p.node = n.id WHERE h.stage = 'strategy' AND NOT EXISTS (SELECT 1 FROM here c"
        " JOIN pattern_test t ON t.node = c.id AND t.pattern = p.id AND NOT t.funded"
        " WHERE c.place = h.place AND c.stage = 'confirm')",
        "SELECT h.name, s.pattern AS key FROM here h JOIN strategy s ON s.node = h.id"
        " WHERE h.stage = 'strategy'",
    ),
    Rule(
        "patterns = shares + those excluded",
        "SELECT h.name, p.id AS key FROM here h JOIN here n ON n.place = h.place AND n.stage = 'name'"
        " JOIN pattern p ON p.node = n.id WHERE h.stage = 'allot'",
        "SELECT h.name, s.pattern AS key FROM here h JOIN pattern_share s ON s.node = h.id"
        ' UNION ALL SELECT h.name, d.item AS key FROM here h JOIN "drop" d ON d.node = h.id'
        " AND d.reason IN ('excluded', 'unfunded') WHERE h.stage = 'allot'",
    ),
    Rule(
        "usable replies are candidates",
        "SELECT DISTINCT h.name, c.id AS key FROM here h JOIN llm_call c ON c.node = h.id AND c.error IS NULL"
        " WHERE h.stage = 'generate'",
        "SELECT DISTINCT h.name, c.call AS key FROM here h JOIN candidate c ON c.node = h.id"
        # Of several replies to one call, which vote, a candidate names one; of rows without a majority there is none,
        # nor of a reply that leaves all its rows out.
        " UNION ALL SELECT DISTINCT h.name, v.id AS key FROM here h JOIN llm_call v ON v.node = h.id"
        " WHERE EXISTS (SELECT 1 FROM candidate c JOIN llm_call o ON o.id = c.call AND o.messages = v.messages"
        " WHERE c.node = h.id AND c.call <> v.id)"
        " OR EXISTS (SELECT 1 FROM \"drop\" d WHERE d.node = h.id AND d.reason IN ('no_majority', 'declined'))",
        whole=False,
    ),
    Rule(
        "candidates are of a strategy of their pattern",
        "SELECT DISTINCT h.name, concat_ws(' ', c.pattern, c.strategy) AS key"
        " FROM here h JOIN candidate c ON c.node = h.id AND c.pattern <> 'coverage'",
        "SELECT h.name, concat_ws(' ', s.pattern, s.id) AS key FROM here h"
        " JOIN here t ON t.place = h.place AND t.stage = 'strategy' JOIN strategy s ON s.node = t.id"
        " WHERE h.stage = 'generate' OR h.stage LIKE 'mine%'",
        whole=False,
    ),
    Rule(
        "rows of the pool = those on the shortlist + those left out",
        "SELECT h.name, sum(c.rows)::VARCHAR AS key FROM here h"
        " JOIN pool_count c ON c.node = h.id AND c.reason = 'read' GROUP BY h.name",
        "SELECT h.name, ((SELECT count(*) FROM pool_row p WHERE p.node = h.id)"
        " + (SELECT coalesce(sum(c.rows), 0) FROM pool_count c WHERE c.node = h.id AND c.reason <> 'read'))"
        "::VARCHAR AS key FROM here h WHERE h.stage = 'shortlist'",
    ),
    Rule(
        "rows on the shortlist = candidates + those left out",
        "SELECT h.name, count(p.id)::VARCHAR AS key FROM here h"
        " JOIN here s ON s.place = h.place AND s.stage = 'shortlist' LEFT JOIN pool_row p ON p.node = s.id"
        " WHERE h.stage LIKE 'mine%' GROUP BY h.name",
        "SELECT h.name, ((SELECT count(*) FROM candidate c WHERE c.node = h.id)"
        ' + (SELECT count(*) FROM "drop" d WHERE d.node = h.id)'
        " + (SELECT coalesce(sum(c.rows), 0) FROM pool_count c WHERE c.node = h.id))::VARCHAR AS key"
        " FROM here h WHERE h.stage LIKE 'mine%'",
    ),
    Rule(
        "candidates that were mined say where they come from",
        "SELECT h.name, c.id AS key FROM here h JOIN candidate c ON c.node = h.id WHERE h.stage LIKE 'mine%'",
        "SELECT h.name, m.candidate AS key FROM here h JOIN mined m ON m.node = h.id AND m.candidate IS NOT NULL",
    ),
    Rule(
        "candidates = findings of the gates",
        "SELECT h.name, c.id AS key FROM here h"
        " JOIN here g ON g.place = h.place AND g.attempt = h.attempt"
        " AND (g.stage = 'generate' OR g.stage LIKE 'mine%')"
        " JOIN candidate c ON c.node = g.id WHERE h.stage = 'gate'",
        "SELECT h.name, g.candidate AS key FROM here h JOIN gating g ON g.node = h.id",
    ),
    Rule(
        "candidates that pass the gates = those verified + drops",
        "SELECT h.name, g.candidate AS key FROM here h"
        " JOIN here t ON t.place = h.place AND t.attempt = h.attempt AND t.stage = 'gate'"
        " JOIN gating g ON g.node = t.id AND g.reason = '' WHERE h.stage = 'verify'",
        "SELECT name, key FROM (SELECT h.name, v.candidate AS key FROM here h"
        " JOIN verification v ON v.node = h.id"
        ' UNION SELECT h.name, d.item AS key FROM here h JOIN "drop" d ON d.node = h.id'
        " WHERE h.stage = 'verify' AND d.reason <> 'not_asked')",
    ),
    Rule(
        "candidates that pass the gates = those that the student answers + drops",
        "SELECT h.name, g.candidate AS key FROM here h"
        " JOIN here t ON t.place = h.place AND t.attempt = h.attempt AND t.stage = 'gate'"
        " JOIN gating g ON g.node = t.id AND g.reason = '' WHERE h.stage = 'pass_rate'",
        "SELECT h.name, p.candidate AS key FROM here h JOIN pass_rate p ON p.node = h.id"
        ' UNION ALL SELECT h.name, d.item AS key FROM here h JOIN "drop" d ON d.node = h.id'
        " WHERE h.stage = 'pass_rate'",
    ),
    Rule(
        "anchors that were judged = those that the calibration counts",
        "SELECT h.name, concat_ws(' ', a.is_right, count(a.passed)) AS key FROM here h"
        " JOIN judge_anchor a ON a.node = h.id GROUP BY h.name, a.is_right",
        "SELECT h.name, concat_ws(' ', half.is_right, half.n) AS key FROM here h"
        " JOIN judge_calibration c ON c.node = h.id AND EXISTS (SELECT 1 FROM judge_anchor a WHERE a.node = h.id),"
        " LATERAL (SELECT true AS is_right, c.n_right + c.left_out AS n UNION ALL SELECT false, c.n_wrong) half",
    ),
    Rule(
        "training rows suspected by a judge that decides = rows whose label may be wrong",
        "SELECT h.name, a.example AS key FROM here h JOIN judge_anchor a ON a.node = h.id AND a.suspect"
        " JOIN judge_calibration c ON c.node = h.id AND c.decides",
        "SELECT h.name, s.example AS key FROM here h JOIN label_suspect s ON s.node = h.id"
        " AND h.stage = 'judge'",
    ),
    Rule(
        "candidates = verdicts",
        "SELECT h.name, c.id AS key FROM here h"
        " JOIN here g ON g.place = h.place AND g.attempt = h.attempt"
        " AND (g.stage = 'generate' OR g.stage LIKE 'mine%')"
        " JOIN candidate c ON c.node = g.id WHERE h.stage = 'judge'",
        "SELECT h.name, v.candidate AS key FROM here h JOIN verdict v ON v.node = h.id",
    ),
    Rule(
        "accepted = selected + drops",
        "SELECT h.name, v.candidate AS key FROM here h"
        " JOIN here j ON j.place = h.place AND j.stage = 'judge'"
        " JOIN verdict v ON v.node = j.id AND v.accepted WHERE h.stage = 'select'",
        "SELECT h.name, s.candidate AS key FROM here h JOIN selected s ON s.node = h.id"
        ' UNION ALL SELECT h.name, d.item AS key FROM here h JOIN "drop" d ON d.node = h.id'
        " WHERE h.stage = 'select'",
    ),
    Rule(
        "selected = new training examples",
        "SELECT h.name, s.example AS key FROM here h JOIN selected s ON s.node = h.id",
        "SELECT h.name, e.id AS key FROM here h JOIN example e ON e.node = h.id AND e.split = 'train'"
        " WHERE h.stage = 'select'",
    ),
    Rule(
        "training examples + selected of earlier rounds = rows trained on + drops",
        "SELECT h.name, count(*)::VARCHAR AS key FROM here h JOIN here o"
        f" ON o.stage = {DATA} OR (o.stage = 'select' AND o.seed = h.seed AND o.round < h.round)"
        " JOIN example e ON e.node = o.id AND e.split = 'train' WHERE h.stage = 'train' GROUP BY h.name",
        'SELECT h.name, (m.rows + (SELECT count(*) FROM "drop" d WHERE d.node = h.id))::VARCHAR AS key'
        " FROM here h JOIN model m ON m.node = h.id WHERE h.stage = 'train'",
    ),
    Rule(
        "pairs found = pairs tuned with + pairs left out",
        "SELECT h.name, (SELECT count(*) FROM preference_pair p WHERE p.node = f.id)::VARCHAR AS key FROM here h"
        " JOIN here f ON f.place = h.place AND f.stage = 'pair' WHERE h.stage = 'prefer'",
        "SELECT h.name, (t.pairs + t.left_out)::VARCHAR AS key FROM here h"
        " JOIN preference_tuning t ON t.node = h.id",
    ),
    Rule(
        "patterns of earlier rounds = patterns tracked, with all their members",
        "SELECT h.name, concat_ws(' ', m.pattern, count(DISTINCT m.example) FILTER (m.example IN (SELECT e.id"
        " FROM here g JOIN example e ON e.node = g.id WHERE (g.stage = 'load' AND e.split = 'validation')"
        " OR (g.stage = 'logged' AND e.target <> '')))) AS key FROM here h"
        " JOIN here c ON c.stage = 'name' AND c.seed = h.seed AND c.round < h.round"
        " JOIN pattern_member m ON m.node = c.id WHERE h.stage = 'track' GROUP BY h.name, m.pattern",
        "SELECT h.name, concat_ws(' ', p.pattern, p.before) AS key"
        " FROM here h JOIN pattern_status p ON p.node = h.id",
    ),
    Rule(
        "rows that fall under a pattern = rows of its status",
        "SELECT h.name, concat_ws(' ', r.pattern, count(*)) AS key"
        " FROM here h JOIN pattern_row r ON r.node = h.id GROUP BY h.name, r.pattern",
        "SELECT h.name, concat_ws(' ', p.pattern, p.rows) AS key"
        " FROM here h JOIN pattern_status p ON p.node = h.id AND p.rows > 0",
    ),
    Rule(
        "rows that broke are right in round 0 and fail now",
        "SELECT h.name, r.example AS key FROM here h JOIN regression r ON r.node = h.id AND r.fails",
        "SELECT h.name, f.example AS key FROM here h JOIN here s ON s.place = h.place AND s.stage = 'score'"
        " JOIN failure f ON f.node = s.id AND f.split = 'validation' WHERE h.stage = 'guard'"
        " AND f.example NOT IN (SELECT x.example FROM here b JOIN failure x ON x.node = b.id AND x.split = 'validation'"
        " WHERE b.stage = 'score' AND b.seed = h.seed AND b.round = 0)",
        whole=False,
    ),
    Rule(
        "rows that broke = those that the suite counts",
        "SELECT h.name, r.broken::VARCHAR AS key FROM here h JOIN regression_suite r ON r.node = h.id",
        "SELECT h.name, count(r.example) FILTER (r.fails)::VARCHAR AS key FROM here h"
        " LEFT JOIN regression r ON r.node = h.id WHERE h.stage = 'guard' GROUP BY h.name",
    ),
    Rule(
        "one decision at each gate",
        "SELECT name, 'decision' AS key FROM here WHERE stage IN ('decide', 'select')",
        "SELECT h.name, 'decision' AS key FROM here h JOIN decision d ON d.node = h.id",
    ),
)


def unbalanced(state: Path, rules: Sequence[Rule] = RULES) -> list[str]:
    """Return what does not add up in the latest run of a state folder, in words."""
    with reader(state) as query:
        return [*_by_rule(query, rules), *_by_table(query)]


def assert_balanced(state: Path) -> None:
    """Fail with everything that does not add up in the latest run; a folder without a store has no rows."""
    if (state / FILE).exists():
        faults = unbalanced(state)
        assert not faults, "\n".join([f"rows are lost or made up in {state}:", *faults])


def _by_rule(query: Query, rules: Sequence[Rule]) -> Iterator[str]:
    parts = []
    for rule in rules:
        both = f"SELECT *, 1 AS n FROM ({rule.into}) UNION ALL SELECT *, -1 FROM ({rule.out})"
        off = "<> 0" if rule.whole else "> 0"
        parts.append(
            f"(SELECT '{rule.name}' AS rule, name, key, sum(n) AS n FROM ({both})"
            f" GROUP BY name, key HAVING sum(n) {off} ORDER BY ALL LIMIT 10)"
        )
    for row in query(HERE + " UNION ALL ".join(parts), []):
        what = "went in and did not come out" if row["n"] > 0 else "came out and did not go in"
        yield f"{row['rule']}: {row['name']}: {row['key']} {what}"


def _by_table(query: Query) -> Iterator[str]:
    """Compare what each node says it has written with what there is of it."""
    tables = query(
        "SELECT table_name AS name FROM information_schema.columns WHERE table_schema = 'main'"
        " AND table_name IN (SELECT table_name FROM duckdb_tables()) AND column_name IN ('seed', 'position')"
        " GROUP BY ALL HAVING count(*) = 2 ORDER BY ALL", [],
    )  # fmt: skip
    there = " UNION ALL ".join(
        f"SELECT node, '{table['name']}' AS name, count(*) AS n FROM \"{table['name']}\" GROUP BY node"
        for table in tables
    )
    said = "SELECT n.id AS node, c.key AS name, c.value::BIGINT AS n FROM node n, json_each(n.counts) c"
    sql = (
        "SELECT coalesce(s.node, t.node) AS node, coalesce(s.name, t.name) AS name, s.n AS said, t.n AS there"
        f" FROM ({said}) s FULL JOIN ({there}) t ON s.node = t.node AND s.name = t.name"
        " WHERE s.n IS DISTINCT FROM t.n ORDER BY ALL LIMIT 10"
    )
    for row in query(sql, []):
        yield f"{row['name']}: node {row['node']} wrote {row['said']} rows, {row['there']} are there"
