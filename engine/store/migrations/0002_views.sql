-- The views people start from. `run` is always the run looked at: results that a run took over from an earlier one
-- (cached nodes) count in every run that uses them.
-- `--` lines directly above a view become docs/store.md; `-- name: text` inside a view describes that column.

-- Which finished nodes each run is made of; join any table to it by `node` to see one run's rows.
CREATE VIEW run_rows AS
-- origin: done in this run, or cached (taken over from an earlier run)
SELECT r.run, r.node, r.name, n.stage, n.seed, n.round, n.attempt, r.status AS origin, n.run AS made_by
FROM run_node r JOIN node n ON n.id = r.node
WHERE r.status <> 'skipped';

-- Every failure (train and validation) with the row, the answer given, the diagnosis and the pattern it belongs to.
CREATE VIEW failures AS
WITH e AS (
  SELECT r.run, t.id, t.split, any_value(t.inputs) AS inputs, any_value(t.columns) AS columns
  FROM example t JOIN run_rows r USING (node) GROUP BY ALL
), p AS (
  SELECT r.run, t.seed, t.round, t.split, t.example, t.text, t.status, t.confidence
  FROM prediction t JOIN run_rows r USING (node)
), d AS (
  SELECT r.run, t.seed, t.round, t.example, any_value(t.root_cause) AS root_cause, any_value(t.scenario) AS scenario
  FROM diagnosis t JOIN run_rows r USING (node) GROUP BY ALL
), m AS (
  SELECT r.run, t.seed, t.round, t.example, any_value(t.pattern) AS pattern
  FROM pattern_member t JOIN run_rows r USING (node) GROUP BY ALL
), n AS (
  SELECT r.run, t.seed, t.round, t.id, t.name, t.category FROM pattern t JOIN run_rows r USING (node)
)
-- inputs: the columns that the student sees
-- columns: the source's other columns
-- prediction: what the student said, whole
-- answer: what was read from it; NULL when nothing could be
-- status: ok, unparsable or backend_failed
-- predicate: the recipe's condition that made it a failure
-- pattern: pattern.id; NULL for failures that were not diagnosed (only validation failures are)
SELECT r.run, f.seed, f.round, f.split, f.example, e.inputs, f.target, f.answer, p.text AS prediction, p.status,
  p.confidence, f.predicate, d.root_cause, d.scenario, m.pattern, n.name AS pattern_name, n.category, e.columns
FROM failure f
JOIN run_rows r USING (node)
LEFT JOIN e ON e.run = r.run AND e.id = f.example AND e.split = f.split
LEFT JOIN p ON p.run = r.run AND p.seed = f.seed AND p.round = f.round AND p.split = f.split
  AND p.example = f.example
LEFT JOIN d ON d.run = r.run AND d.seed = f.seed AND d.round = f.round AND d.example = f.example
  AND f.split = 'validation'
LEFT JOIN m ON m.run = r.run AND m.seed = f.seed AND m.round = f.round AND m.example = f.example
  AND f.split = 'validation'
LEFT JOIN n ON n.run = r.run AND n.seed = f.seed AND n.round = f.round AND n.id = m.pattern;

-- The path of every generated row: training row it was made from, pattern, strategy, verdict, and where it was trained on.
CREATE VIEW lineage AS
WITH c AS (
  SELECT r.run AS looked_at, r.attempt AS tried, t.* FROM candidate t JOIN run_rows r USING (node)
), v AS (
  SELECT r.run AS looked_at, r.attempt AS tried, t.* FROM verdict t JOIN run_rows r USING (node)
), e AS (
  SELECT r.run, t.id, any_value(t.inputs) AS inputs, any_value(t.target) AS target
  FROM example t JOIN run_rows r USING (node) WHERE r.stage = 'load' AND t.split = 'train' GROUP BY ALL
), n AS (
  SELECT r.run, t.seed, t.round, t.id, t.name, t.category, t.size FROM pattern t JOIN run_rows r USING (node)
), s AS (
  SELECT r.run, t.seed, t.round, t.id, any_value(t.text) AS text
  FROM strategy t JOIN run_rows r USING (node) GROUP BY ALL
), j AS (
  SELECT r.run, t.seed, t.round, t.candidate, any_value(t.example) AS example
  FROM selected t JOIN run_rows r USING (node) GROUP BY ALL
), f AS (
  SELECT DISTINCT run, seed, round FROM run_rows WHERE stage = 'train'
), l AS (
  SELECT r.run, t.seed, t.round, t.item, any_value(t.reason) AS reason, any_value(t.detail) AS detail
  FROM "drop" t JOIN run_rows r USING (node) WHERE t.stage = 'select' GROUP BY ALL
)
-- round: that generated it
-- failures: failures of its pattern in that round
-- accepted: the verdict; NULL before there is one
-- reason: accepted, or the rule that rejected it
-- left_out: why an accepted row was not selected (over_quota, duplicate); NULL otherwise
-- example: the training row it became; NULL when it was not selected
-- trained_in: the first round whose fine-tune saw it; NULL when none did
SELECT c.looked_at AS run, c.seed, c.round, c.attempt, c.id AS candidate, c.operator, c.inputs, c.target,
  c.parent, e.inputs AS parent_inputs, e.target AS parent_target, c.pattern, n.name AS pattern_name, n.category,
  n.size AS failures, c.strategy, s.text AS strategy_text, v.accepted, v.reason, v.detail, v.feedback, v.adherence,
  v.utility, v.relevance, v.judge_agrees, v.similarity, v.neighbour, l.reason AS left_out, j.example,
  CASE WHEN j.example IS NOT NULL THEN (
    SELECT min(f.round) FROM f WHERE f.run = c.looked_at AND f.seed = c.seed AND f.round > c.round
  ) END AS trained_in,
  c.prompt, c.model, c.call AS generate_call, v.call AS judge_call
FROM c
LEFT JOIN v ON v.looked_at = c.looked_at AND v.seed = c.seed AND v.round = c.round AND v.tried = c.tried
  AND v.candidate = c.id
LEFT JOIN e ON e.run = c.looked_at AND e.id = c.parent
LEFT JOIN n ON n.run = c.looked_at AND n.seed = c.seed AND n.round = c.round AND n.id = c.pattern
LEFT JOIN s ON s.run = c.looked_at AND s.seed = c.seed AND s.round = c.round AND s.id = c.strategy
LEFT JOIN j ON j.run = c.looked_at AND j.seed = c.seed AND j.round = c.round AND j.candidate = c.id
LEFT JOIN l ON l.run = c.looked_at AND l.seed = c.seed AND l.round = c.round AND l.item = c.id;

-- Generated rows that joined no training set: rejected by the verdict, or accepted and left out by the selection.
CREATE VIEW rejected_rows AS
-- stage: judge or select
SELECT run, seed, round, attempt, candidate, CASE WHEN accepted THEN 'select' ELSE 'judge' END AS stage,
  CASE WHEN accepted THEN left_out ELSE reason END AS reason, detail, feedback, operator, inputs, target, parent,
  parent_inputs, parent_target, pattern, pattern_name, adherence, utility, relevance, judge_agrees, similarity,
  neighbour
FROM lineage
WHERE NOT accepted OR left_out IS NOT NULL;

-- Scores of every run, round and split with 95 % intervals and the generalization gap; round -1 is the untuned student.
CREATE VIEW leaderboard AS
WITH m AS (
  SELECT r.run, t.seed, t.round, t.split, t.metric, t.value, t.low, t.high, t.n
  FROM metric t JOIN run_rows r USING (node)
)
-- gap: score on train minus score on this split; NULL for train
-- n: examples behind the value
SELECT m.run, c.name AS recipe, m.seed, m.round, m.split, m.metric, m.value, m.low, m.high, m.n, g.value AS gap
FROM m
LEFT JOIN run u ON u.id = m.run
LEFT JOIN recipe c ON c.id = u.recipe
LEFT JOIN m g ON g.run = m.run AND g.seed = m.seed AND g.round = m.round AND g.metric = m.metric
  AND g.split = 'gap_' || m.split
WHERE NOT starts_with(m.split, 'gap_');

-- Where generated rows end up, step by step: generated, rejected by reason, accepted, left out, selected, trained on.
CREATE VIEW funnel AS
WITH d AS (
  SELECT r.run, t.seed, t.round, t.reason FROM "drop" t JOIN run_rows r USING (node) WHERE t.stage = 'generate'
)
-- step: 0 not generated, 1 generated, 2 rejected, 3 accepted, 4 left out, 5 selected, 6 trained on; sorts the rows
-- reason: for the steps that lose rows
SELECT run, seed, round, 0 AS step, 'not generated' AS what, reason, count(*) AS rows FROM d GROUP BY ALL
UNION ALL
SELECT run, seed, round, 1, 'generated', NULL, count(*) FROM lineage GROUP BY ALL
UNION ALL
SELECT run, seed, round, 2, 'rejected', reason, count(*) FROM lineage WHERE NOT accepted GROUP BY ALL
UNION ALL
SELECT run, seed, round, 3, 'accepted', NULL, count(*) FILTER (accepted) FROM lineage GROUP BY ALL
UNION ALL
SELECT run, seed, round, 4, 'left out', left_out, count(*) FROM lineage
WHERE accepted AND left_out IS NOT NULL GROUP BY ALL
UNION ALL
SELECT run, seed, round, 5, 'selected', NULL, count(example) FROM lineage GROUP BY ALL
UNION ALL
SELECT run, seed, round, 6, 'trained on', NULL, count(trained_in) FROM lineage GROUP BY ALL;
