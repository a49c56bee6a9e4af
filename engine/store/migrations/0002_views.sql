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

-- Each pattern in each round that found it, with its strategy and how it stands by now.
CREATE VIEW failure_patterns AS
WITH s AS (
  SELECT r.run, t.seed, t.round, t.pattern, string_agg(t.text, chr(10) ORDER BY t.id) AS strategy
  FROM strategy t JOIN run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.seed, t.pattern, max(t.round) AS tracked, arg_max(t.status, t.round) AS status,
    arg_max(t.before, t.round) AS before, arg_max(t.after, t.round) AS after
  FROM pattern_status t JOIN run_rows r USING (node) GROUP BY ALL
)
-- size: failures in it when this round found it
-- status: after the latest fine-tune that followed: open, shrinking, fixed or regressed; open when none followed
-- members: failures ever counted to it, as of the latest tracking
-- failing: of these, how many still fail
-- tracked: round of that latest fine-tune
-- guard: what became of texts that quoted an evaluation row (reworded, replaced, left out); NULL when all were clean
SELECT r.run, t.seed, t.round, t.id AS pattern, t.name, t.category, t.size, t.description, s.strategy,
  CASE WHEN k.tracked > t.round THEN k.status ELSE 'open' END AS status,
  coalesce(k.before, t.size) AS members,
  CASE WHEN k.tracked > t.round THEN k.after ELSE t.size END AS failing,
  k.tracked, t.silhouette, t.guard
FROM pattern t
JOIN run_rows r USING (node)
LEFT JOIN s ON s.run = r.run AND s.seed = t.seed AND s.round = t.round AND s.pattern = t.id
LEFT JOIN k ON k.run = r.run AND k.seed = t.seed AND k.pattern = t.id;

-- Each pattern from round to round: found with how many failures, and how many of its members fail then.
CREATE VIEW pattern_history AS
WITH f AS (
  SELECT r.run, t.seed, t.round, t.id, any_value(t.size) AS size
  FROM pattern t JOIN run_rows r USING (node) GROUP BY ALL
), n AS (
  SELECT r.run, t.seed, t.id, arg_min(t.name, t.round) AS name, arg_min(t.category, t.round) AS category
  FROM pattern t JOIN run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.seed, t.round, t.pattern, t.status, t.before, t.after
  FROM pattern_status t JOIN run_rows r USING (node)
)
-- found: failures that this round's clustering put into it; NULL when the round did not find it
-- status: open in the round that found it first; afterwards as tracked
-- members: failures ever counted to it before this round's fine-tune
-- failing: of these, how many fail in this round
SELECT h.run, h.seed, h.pattern, n.name, n.category, h.round, h.found, h.status, h.members, h.failing
FROM (
  SELECT coalesce(f.run, k.run) AS run, coalesce(f.seed, k.seed) AS seed, coalesce(f.round, k.round) AS round,
    coalesce(f.id, k.pattern) AS pattern, f.size AS found, coalesce(k.status, 'open') AS status,
    coalesce(k.before, f.size) AS members, coalesce(k.after, f.size) AS failing
  FROM f FULL JOIN k ON k.run = f.run AND k.seed = f.seed AND k.round = f.round AND k.pattern = f.id
) h
LEFT JOIN n ON n.run = h.run AND n.seed = h.seed AND n.id = h.pattern;

-- What each fine-tune saw: the original training rows, and the rows selected in earlier rounds.
CREATE VIEW training_rows AS
WITH t AS (
  SELECT DISTINCT run, seed, round FROM run_rows WHERE stage = 'train'
), o AS (
  SELECT r.run, e.id, e.inputs, e.target, e.source, e.line
  FROM example e JOIN run_rows r USING (node) WHERE r.stage = 'load' AND e.split = 'train'
), g AS (
  SELECT r.run, e.seed, e.round, e.id, e.inputs, e.target, s.candidate, c.parent, c.pattern, c.operator
  FROM example e
  JOIN run_rows r USING (node)
  JOIN selected s ON s.node = e.node AND s.example = e.id
  LEFT JOIN (SELECT c.*, q.run AS looked_at FROM candidate c JOIN run_rows q USING (node)) c
    ON c.looked_at = r.run AND c.seed = e.seed AND c.round = e.round AND c.id = s.candidate
)
-- round: of the fine-tune
-- origin: original or generated
-- made_in: the round that generated it; NULL for original rows
-- source: file of an original row
SELECT t.run, t.seed, t.round, 'original' AS origin, o.id AS example, o.inputs, o.target, o.source, o.line,
  NULL::INTEGER AS made_in, NULL::VARCHAR AS candidate, NULL::VARCHAR AS parent, NULL::VARCHAR AS pattern,
  NULL::VARCHAR AS operator
FROM t JOIN o USING (run)
UNION ALL
SELECT t.run, t.seed, t.round, 'generated', g.id, g.inputs, g.target, NULL, NULL, g.round, g.candidate, g.parent,
  g.pattern, g.operator
FROM t JOIN g ON g.run = t.run AND g.seed = t.seed AND g.round < t.round;

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

-- What each pattern, strategy and operator bought. Attribution is by counting, not by experiment: the validation
-- failures of the pattern that the next fine-tune answers right are shared among the rows selected for that pattern,
-- wherever the cure came from; rows that began to fail elsewhere are not charged here (see `round_points`).
-- Tokens are those of generating and judging (a judge call over several rows is split evenly), rejected rows
-- included; diagnosing, naming and drafting are not (see `spend`).
CREATE VIEW payoff AS
WITH a AS (
  SELECT run, seed, round, pattern, strategy, operator, candidate, accepted, example, generate_call AS call
  FROM lineage
  UNION ALL
  SELECT run, seed, round, pattern, strategy, operator, NULL, NULL, NULL, judge_call FROM lineage
), k AS (
  SELECT id, sum(prompt_tokens + completion_tokens) AS tokens FROM llm_call GROUP BY id
), w AS (
  SELECT run, seed, round, call, count(*) AS sharers FROM a WHERE call IS NOT NULL GROUP BY ALL
), b AS (
  SELECT a.run, a.seed, a.round, a.pattern, a.strategy, a.operator, count(a.candidate) AS generated,
    count(*) FILTER (a.accepted) AS accepted, count(a.example) AS selected,
    sum(k.tokens / w.sharers) AS tokens
  FROM a
  LEFT JOIN w ON w.run = a.run AND w.seed = a.seed AND w.round = a.round AND w.call = a.call
  LEFT JOIN k ON k.id = a.call
  GROUP BY ALL
), q AS (
  SELECT r.run, t.seed, t.round, count(*) AS n
  FROM prediction t JOIN run_rows r USING (node) WHERE t.split = 'validation' GROUP BY ALL
), x AS (
  SELECT r.run, t.seed, t.round, t.example
  FROM failure t JOIN run_rows r USING (node) WHERE t.split = 'validation'
), y AS (
  SELECT run, seed, round, count(*) AS failing FROM x GROUP BY ALL
), z AS (
  SELECT r.run, t.seed, t.round, t.pattern, count(*) AS members, count(*) FILTER (x.example IS NULL) AS fixed
  FROM pattern_member t
  JOIN run_rows r USING (node)
  SEMI JOIN q ON q.run = r.run AND q.seed = t.seed AND q.round = t.round + 1
  LEFT JOIN x ON x.run = r.run AND x.seed = t.seed AND x.round = t.round + 1 AND x.example = t.example
  GROUP BY ALL
), h AS (
  SELECT b.*, sum(b.selected) OVER (PARTITION BY b.run, b.seed, b.round, b.pattern) AS pattern_rows FROM b
), i AS (
  SELECT h.*, z.members, z.fixed, z.fixed * h.selected / nullif(h.pattern_rows, 0) AS fixed_share
  FROM h LEFT JOIN z ON z.run = h.run AND z.seed = h.seed AND z.round = h.round AND z.pattern = h.pattern
)
-- round: that generated the rows; the fine-tune of the next round is what is looked at
-- members: validation failures of the pattern in that round
-- fixed: of these, how many the next fine-tune answers right; NULL when there was none
-- fixed_share: this line's part of them, by its share of the pattern's selected rows
-- points: fixed_share in percentage points of the validation rows
-- points_per_1000_tokens: points bought by 1,000 tokens of generating and judging
-- round_points: what the whole round gained net on validation, all patterns together, new failures deducted
SELECT i.run, i.seed, i.round, i.pattern, n.name AS pattern_name, i.strategy, i.operator, i.generated, i.accepted,
  i.selected, round(i.tokens)::BIGINT AS tokens, i.members, i.fixed, i.fixed_share,
  100 * i.fixed_share / q.n AS points,
  100 * i.fixed_share / q.n / nullif(i.tokens / 1000, 0) AS points_per_1000_tokens,
  CASE WHEN q2.n IS NOT NULL THEN
    100.0 * coalesce(y.failing, 0) / q.n - 100.0 * coalesce(y2.failing, 0) / q2.n
  END AS round_points
FROM i
LEFT JOIN q ON q.run = i.run AND q.seed = i.seed AND q.round = i.round
LEFT JOIN q q2 ON q2.run = i.run AND q2.seed = i.seed AND q2.round = i.round + 1
LEFT JOIN y ON y.run = i.run AND y.seed = i.seed AND y.round = i.round
LEFT JOIN y y2 ON y2.run = i.run AND y2.seed = i.seed AND y2.round = i.round + 1
LEFT JOIN (SELECT r.run, t.seed, t.round, t.id, any_value(t.name) AS name
           FROM pattern t JOIN run_rows r USING (node) GROUP BY ALL) n
  ON n.run = i.run AND n.seed = i.seed AND n.round = i.round AND n.id = i.pattern;

-- Calls, tokens and seconds of teacher and judge, by role, stage and round: asked in this run, or taken over.
CREATE VIEW spend AS
WITH c AS (
  SELECT run, node, role, error, prompt_tokens, completion_tokens, seconds, 'new' AS origin FROM llm_call
  UNION ALL
  SELECT r.run, c.node, c.role, c.error, c.prompt_tokens, c.completion_tokens, c.seconds, 'cached'
  FROM llm_call c JOIN run_rows r ON r.node = c.node AND r.run <> c.run
)
-- stage: NULL (like seed and round) while the node that asked is not finished
-- origin: new (asked in this run) or cached (asked in an earlier run by a node that this one uses)
-- failed: calls without a usable reply; their tokens count
-- seconds: sum over the calls; they overlap where a backend answers several at once
SELECT c.run, c.role, n.stage, n.seed, n.round, c.origin, count(*) AS calls, count(c.error) AS failed,
  sum(c.prompt_tokens)::BIGINT AS prompt_tokens, sum(c.completion_tokens)::BIGINT AS completion_tokens,
  sum(c.prompt_tokens + c.completion_tokens)::BIGINT AS tokens, sum(c.seconds) AS seconds
FROM c LEFT JOIN node n ON n.id = c.node
GROUP BY ALL;

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
