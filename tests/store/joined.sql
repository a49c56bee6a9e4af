-- The views over what is laid flat, as joins of the tables of the nodes: what a run shows, by definition.

CREATE VIEW joined.shown AS
SELECT r.run, r.seed, r.round FROM prediction t JOIN all_run_rows r USING (node) WHERE r.stage <> 'logged'
UNION
SELECT r.run, r.seed, r.round FROM failure t JOIN all_run_rows r USING (node) WHERE r.stage <> 'logged'
UNION
SELECT r.run, r.seed, r.round FROM pattern_member t JOIN all_run_rows r USING (node);

-- What was logged is a part of every round.
CREATE VIEW joined.said AS
SELECT r.run, t.seed, t.round, t.split, t.example, t.text, t.answer, t.status, t.confidence, false AS of_log
FROM prediction t JOIN all_run_rows r USING (node) WHERE r.stage <> 'logged'
UNION ALL
SELECT s.run, s.seed, s.round, t.split, t.example, t.text, t.answer, t.status, t.confidence, true
FROM prediction t JOIN all_run_rows r USING (node) JOIN joined.shown s ON s.run = r.run WHERE r.stage = 'logged';

-- Rounds up to 0 look at what was logged; later ones at what their student says, where it can be asked.
CREATE VIEW joined.failures AS
WITH e AS (
  SELECT r.run, t.id, t.split, any_value(t.inputs) AS inputs, any_value(t.columns) AS columns
  FROM example t JOIN all_run_rows r USING (node) GROUP BY ALL
), own AS (
  SELECT r.run, t.seed, t.round, t.split, t.example, t.target, t.answer, t.predicate, false AS of_log
  FROM failure t JOIN all_run_rows r USING (node) WHERE r.stage <> 'logged'
), log AS (
  SELECT s.run, s.seed, s.round, t.split, t.example, t.target, t.answer, t.predicate, true AS of_log
  FROM failure t JOIN all_run_rows r USING (node) JOIN joined.shown s ON s.run = r.run WHERE r.stage = 'logged'
), f AS (
  FROM own WHERE round > 0 OR NOT EXISTS (
    FROM log WHERE log.run = own.run AND log.seed = own.seed AND log.round = own.round AND log.split = own.split
      AND log.example = own.example
  )
  UNION ALL
  FROM log WHERE round <= 0 OR NOT EXISTS (
    FROM joined.said p WHERE NOT p.of_log AND p.run = log.run AND p.seed = log.seed AND p.round = log.round
      AND p.split = log.split AND p.example = log.example
  )
), d AS (
  SELECT r.run, t.seed, t.round, t.example, any_value(t.root_cause) AS root_cause, any_value(t.scenario) AS scenario
  FROM diagnosis t JOIN all_run_rows r USING (node) GROUP BY ALL
), m AS (
  SELECT r.run, t.seed, t.round, t.example, any_value(t.pattern) AS pattern
  FROM pattern_member t JOIN all_run_rows r USING (node) GROUP BY ALL
), n AS (
  SELECT r.run, t.seed, t.round, t.id, t.name, t.category FROM pattern t JOIN all_run_rows r USING (node)
)
SELECT f.run, f.seed, f.round, f.split, f.example, e.inputs, f.target, f.answer, p.text AS prediction, p.status,
  p.confidence, f.predicate, d.root_cause, d.scenario, m.pattern, n.name AS pattern_name, n.category, e.columns
FROM f
LEFT JOIN e ON e.run = f.run AND e.id = f.example AND e.split = f.split
LEFT JOIN joined.said p ON p.run = f.run AND p.seed = f.seed AND p.round = f.round AND p.split = f.split
  AND p.example = f.example AND p.of_log = f.of_log
LEFT JOIN d ON d.run = f.run AND d.seed = f.seed AND d.round = f.round AND d.example = f.example
  AND f.split IN ('validation', 'logged')
LEFT JOIN m ON m.run = f.run AND m.seed = f.seed AND m.round = f.round AND m.example = f.example
  AND f.split IN ('validation', 'logged')
LEFT JOIN n ON n.run = f.run AND n.seed = f.seed AND n.round = f.round AND n.id = m.pattern;

CREATE VIEW joined.training_rows AS
WITH trained AS (
  SELECT DISTINCT r.run, r.seed, r.round, json_keys(n.identity, '$.inputs') AS takes
  FROM all_run_rows r JOIN node n ON n.id = r.node WHERE r.stage = 'train'
), t AS (
  FROM trained
  UNION
  SELECT run, seed, round + 1, NULL FROM all_run_rows r WHERE stage = 'select'
    AND NOT EXISTS (FROM trained WHERE trained.run = r.run AND trained.seed = r.seed)
), o AS (
  SELECT r.run, e.id, e.inputs, e.target, e.source, e.line
  FROM example e JOIN all_run_rows r USING (node) WHERE r.stage = 'load' AND e.split = 'train'
), g AS (
  SELECT r.run, e.seed, e.round, e.id, e.inputs, e.target, s.candidate, c.parent, c.pattern, c.operator,
    c.label_source, i.source, i.line, e.columns->>'replaces' AS replaces
  FROM example e
  JOIN all_run_rows r USING (node)
  JOIN selected s ON s.node = e.node AND s.example = e.id
  LEFT JOIN (SELECT c.*, q.run AS looked_at FROM candidate c JOIN all_run_rows q USING (node)) c
    ON c.looked_at = r.run AND c.seed = e.seed AND c.round = e.round AND c.id = s.candidate
  LEFT JOIN (SELECT m.*, q.run AS looked_at FROM mined m JOIN all_run_rows q USING (node)) i
    ON i.looked_at = r.run AND i.seed = e.seed AND i.round = e.round AND i.candidate = s.candidate
), w AS (
  SELECT r.run, v.seed, v.round, v.candidate, any_value(v.verified) AS verified
  FROM verdict v JOIN all_run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT t.run AS trained_by, t.seed AS trained_seed, t.round AS trained_in, g.*
  FROM t JOIN g ON g.run = t.run AND g.seed = t.seed AND g.round < t.round
  WHERE (t.takes IS NULL OR list_contains(t.takes, 'earlier.' || g.round)) AND NOT EXISTS (
    FROM decision d JOIN all_run_rows r USING (node) WHERE d.rolled_back AND r.run = t.run AND d.seed = t.seed
      AND d.round < t.round AND g.round BETWEEN d.best_round AND d.round - 1
  )
)
SELECT t.run, t.seed, t.round, 'original' AS origin, o.id AS example, o.inputs, o.target, o.source, o.line,
  NULL::INTEGER AS made_in, NULL::VARCHAR AS candidate, NULL::VARCHAR AS parent, NULL::VARCHAR AS pattern,
  NULL::VARCHAR AS operator, 'data' AS label_source, true AS verified
FROM t JOIN o USING (run)
WHERE NOT EXISTS (
  FROM k WHERE k.trained_by = t.run AND k.trained_seed = t.seed AND k.trained_in = t.round AND k.replaces = o.id
)
UNION ALL
SELECT k.trained_by, k.trained_seed, k.trained_in, CASE k.operator WHEN 'mine' THEN 'mined' ELSE 'generated' END, k.id,
  k.inputs, k.target, k.source, k.line, k.round, k.candidate, k.parent, k.pattern, k.operator, k.label_source,
  coalesce(w.verified, false)
FROM k LEFT JOIN w ON w.run = k.run AND w.seed = k.seed AND w.round = k.round AND w.candidate = k.candidate;

CREATE VIEW joined.lineage AS
WITH c AS (
  SELECT r.run AS looked_at, r.attempt AS tried, t.* FROM candidate t JOIN all_run_rows r USING (node)
), v AS (
  SELECT r.run AS looked_at, r.attempt AS tried, t.* FROM verdict t JOIN all_run_rows r USING (node)
), e AS (
  SELECT r.run, t.id, any_value(t.inputs) AS inputs, any_value(t.target) AS target
  FROM example t JOIN all_run_rows r USING (node) WHERE r.stage = 'load' AND t.split = 'train' GROUP BY ALL
), n AS (
  SELECT r.run, t.seed, t.round, t.id, t.name, t.category, t.size, t.split_from
  FROM pattern t JOIN all_run_rows r USING (node)
), s AS (
  SELECT r.run, t.seed, t.round, t.id, any_value(t.text) AS text
  FROM strategy t JOIN all_run_rows r USING (node) GROUP BY ALL
), j AS (
  SELECT r.run, t.seed, t.round, t.candidate, any_value(t.example) AS example
  FROM selected t JOIN all_run_rows r USING (node) GROUP BY ALL
), f AS (
  SELECT DISTINCT run, seed, round FROM all_run_rows WHERE stage = 'train'
), l AS (
  SELECT r.run, t.seed, t.round, t.item, any_value(t.reason) AS reason, any_value(t.detail) AS detail
  FROM "drop" t JOIN all_run_rows r USING (node) WHERE t.stage = 'select' GROUP BY ALL
)
SELECT c.looked_at AS run, c.seed, c.round, c.attempt, c.id AS candidate, c.operator, c.inputs, c.target,
  c.parent, e.inputs AS parent_inputs, e.target AS parent_target, c.pattern, n.name AS pattern_name, n.category,
  n.size AS failures, n.split_from, c.strategy, s.text AS strategy_text, v.accepted, v.reason, v.detail, v.feedback, v.adherence,
  v.utility, v.relevance, v.judge_agrees, v.similarity, v.neighbour, l.reason AS left_out, j.example,
  CASE WHEN j.example IS NOT NULL THEN (
    SELECT min(f.round) FROM f WHERE f.run = c.looked_at AND f.seed = c.seed AND f.round > c.round
  ) END AS trained_in,
  c.prompt, c.model, c.call AS generate_call, v.call AS judge_call, c.label_source, v.verified
FROM c
LEFT JOIN v ON v.looked_at = c.looked_at AND v.seed = c.seed AND v.round = c.round AND v.tried = c.tried
  AND v.candidate = c.id
LEFT JOIN e ON e.run = c.looked_at AND e.id = c.parent
LEFT JOIN n ON n.run = c.looked_at AND n.seed = c.seed AND n.round = c.round AND n.id = c.pattern
LEFT JOIN s ON s.run = c.looked_at AND s.seed = c.seed AND s.round = c.round AND s.id = c.strategy
LEFT JOIN j ON j.run = c.looked_at AND j.seed = c.seed AND j.round = c.round AND j.candidate = c.id
LEFT JOIN l ON l.run = c.looked_at AND l.seed = c.seed AND l.round = c.round AND l.item = c.id;

CREATE VIEW joined.rejected_rows AS
SELECT run, seed, round, attempt, candidate, CASE WHEN accepted THEN 'select' ELSE 'judge' END AS stage,
  CASE WHEN accepted THEN left_out ELSE reason END AS reason, detail, feedback, operator, inputs, target, parent,
  parent_inputs, parent_target, pattern, pattern_name, adherence, utility, relevance, judge_agrees, similarity,
  neighbour
FROM joined.lineage
WHERE (NOT accepted AND example IS NULL) OR left_out IS NOT NULL;

CREATE VIEW joined.payoff AS
WITH a AS (
  SELECT run, seed, round, pattern, strategy, operator, candidate, accepted, example, NULL AS call, 0 AS rows
  FROM joined.lineage
  UNION ALL
  SELECT r.run, t.seed, t.round, t.pattern, t.strategy, t.operator, NULL, NULL, NULL, t.call, t.rows
  FROM row_call t JOIN all_run_rows r USING (node)
  UNION ALL
  SELECT run, seed, round, pattern, strategy, operator, NULL, NULL, NULL, judge_call, 1 FROM joined.lineage
  UNION ALL
  SELECT l.run, l.seed, l.round, l.pattern, l.strategy, l.operator, NULL, NULL, NULL, t.adherence_call, 1
  FROM joined.lineage l JOIN all_run_rows r ON r.run = l.run
  JOIN verdict t ON t.node = r.node AND t.candidate = l.candidate AND t.seed = l.seed AND t.round = l.round
), k AS (
  SELECT id, sum(prompt_tokens + completion_tokens) AS tokens FROM llm_call GROUP BY id
), w AS (
  SELECT run, seed, round, call, sum(rows) AS rows FROM a WHERE call IS NOT NULL GROUP BY ALL
), b AS (
  SELECT a.run, a.seed, a.round, a.pattern, a.strategy, a.operator, count(a.candidate) AS generated,
    count(*) FILTER (a.accepted) AS accepted, count(a.example) AS selected,
    sum(k.tokens * a.rows / w.rows) AS tokens
  FROM a
  LEFT JOIN w ON w.run = a.run AND w.seed = a.seed AND w.round = a.round AND w.call = a.call
  LEFT JOIN k ON k.id = a.call
  GROUP BY ALL
), q AS (
  SELECT r.run, t.seed, t.round, count(*) AS n
  FROM prediction t JOIN all_run_rows r USING (node) WHERE t.split = 'validation' GROUP BY ALL
), y AS (
  SELECT r.run, t.seed, t.round, count(*) AS failing
  FROM failure t JOIN all_run_rows r USING (node) WHERE t.split = 'validation' GROUP BY ALL
), m AS (
  SELECT r.run, t.seed, t.round, t.pattern, count(*) AS members
  FROM pattern_member t JOIN all_run_rows r USING (node) GROUP BY ALL
), s AS (
  SELECT r.run, t.seed, t.round AS tracked, t.pattern, t.life AS status, t.status AS beside_control, t.rows, t.mended, t.broken, t.control_mended,
    t.control_broken, t.effect
  FROM pattern_status t JOIN all_run_rows r USING (node)
  QUALIFY row_number() OVER (PARTITION BY r.run, t.seed, t.pattern ORDER BY t.round DESC) = 1
), i AS (
  SELECT b.*, s.tracked, s.status, s.beside_control, s.rows, s.mended, s.broken, s.control_mended, s.control_broken, s.effect,
    b.selected / nullif(sum(b.selected) FILTER (b.round < s.tracked)
      OVER (PARTITION BY b.run, b.seed, b.pattern), 0) AS share
  FROM b LEFT JOIN s ON s.run = b.run AND s.seed = b.seed AND s.pattern = b.pattern AND s.tracked > b.round
)
SELECT i.run, i.seed, i.round, i.pattern, n.name AS pattern_name, i.strategy, i.operator, i.generated, i.accepted,
  i.selected, round(i.tokens)::BIGINT AS tokens, m.members, i.status, i.rows, i.mended, i.broken, i.control_mended,
  i.control_broken, i.effect,
  CASE WHEN i.beside_control <> 'unclear' THEN 100 * i.effect * i.rows * i.share / q.n END AS points,
  CASE WHEN i.beside_control <> 'unclear' THEN
    100 * i.effect * i.rows * i.share / q.n / nullif(i.tokens / 1000, 0)
  END AS points_per_1000_tokens,
  CASE WHEN q2.n IS NOT NULL THEN
    100.0 * coalesce(y.failing, 0) / q.n - 100.0 * coalesce(y2.failing, 0) / q2.n
  END AS round_change_unadjusted
FROM i
LEFT JOIN m ON m.run = i.run AND m.seed = i.seed AND m.round = i.round AND m.pattern = i.pattern
LEFT JOIN q ON q.run = i.run AND q.seed = i.seed AND q.round = i.round
LEFT JOIN q q2 ON q2.run = i.run AND q2.seed = i.seed AND q2.round = i.round + 1
LEFT JOIN y ON y.run = i.run AND y.seed = i.seed AND y.round = i.round
LEFT JOIN y y2 ON y2.run = i.run AND y2.seed = i.seed AND y2.round = i.round + 1
LEFT JOIN (SELECT r.run, t.seed, t.round, t.id, any_value(t.name) AS name
           FROM pattern t JOIN all_run_rows r USING (node) GROUP BY ALL) n
  ON n.run = i.run AND n.seed = i.seed AND n.round = i.round AND n.id = i.pattern;

CREATE VIEW joined.spend AS
WITH c AS (
  SELECT run, node, role, error, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, tries,
    seconds, 'new' AS origin FROM llm_call
  UNION ALL
  SELECT r.run, c.node, c.role, c.error, c.prompt_tokens, c.completion_tokens, c.cached_tokens, c.reasoning_tokens,
    c.cost, c.tries, c.seconds, 'cached'
  FROM llm_call c JOIN all_run_rows r ON r.node = c.node AND r.run <> c.run
)
SELECT c.run, c.role, n.stage, n.seed, n.round, c.origin, count(*) AS calls, count(c.error) AS failed,
  sum(json_array_length(c.tries))::BIGINT AS retries,
  sum(c.prompt_tokens)::BIGINT AS prompt_tokens, sum(c.completion_tokens)::BIGINT AS completion_tokens,
  sum(c.cached_tokens)::BIGINT AS cached_tokens, sum(c.reasoning_tokens)::BIGINT AS reasoning_tokens,
  coalesce(sum(c.prompt_tokens), 0)::BIGINT + coalesce(sum(c.completion_tokens), 0)::BIGINT AS tokens,
  sum(c.cost) AS cost, count(*) FILTER (c.cost IS NULL) AS unpriced, sum(c.seconds) AS seconds
FROM c LEFT JOIN node n ON n.id = c.node
GROUP BY ALL;

CREATE VIEW joined.funnel AS
WITH d AS (
  SELECT r.run, t.seed, t.round, t.reason FROM "drop" t JOIN all_run_rows r USING (node) WHERE t.stage = 'generate'
)
SELECT run, seed, round, 0 AS step, 'not generated' AS what, reason, count(*) AS rows FROM d GROUP BY ALL
UNION ALL
SELECT run, seed, round, 1, 'generated', NULL, count(*) FROM joined.lineage GROUP BY ALL
UNION ALL
SELECT run, seed, round, 2, 'rejected', reason, count(*) FROM joined.lineage WHERE NOT accepted GROUP BY ALL
UNION ALL
SELECT run, seed, round, 3, 'accepted', NULL, count(*) FILTER (accepted) FROM joined.lineage GROUP BY ALL
UNION ALL
SELECT run, seed, round, 4, 'left out', left_out, count(*) FROM joined.lineage
WHERE accepted AND left_out IS NOT NULL GROUP BY ALL
UNION ALL
SELECT run, seed, round, 5, 'selected', NULL, count(example) FROM joined.lineage GROUP BY ALL
UNION ALL
SELECT run, seed, round, 6, 'trained on', NULL, count(trained_in) FROM joined.lineage GROUP BY ALL;

-- What a round's student says of a logged row, where it was asked.
CREATE VIEW joined.confusion AS
WITH e AS (
  SELECT r.run, t.id, t.split, any_value(t.target) AS target
  FROM example t JOIN all_run_rows r USING (node) WHERE r.stage IN ('load', 'logged') GROUP BY ALL
)
SELECT p.run, p.seed, p.round, p.split, e.target, p.answer, count(*) AS n
FROM joined.said p
JOIN e ON e.run = p.run AND e.id = p.example AND e.split = p.split
WHERE p.status <> 'backend_failed' AND (NOT p.of_log OR NOT EXISTS (
  FROM joined.said o WHERE NOT o.of_log AND o.run = p.run AND o.seed = p.seed AND o.round = p.round
    AND o.split = p.split AND o.example = p.example
))
GROUP BY ALL;

CREATE VIEW joined.proposed_categories AS
WITH m AS (
  SELECT DISTINCT r.run, t.seed, t.round, t.diagnosis AS id FROM pattern_member t JOIN all_run_rows r USING (node)
  WHERE starts_with(t.pattern, 'category:')
), d AS (
  SELECT r.run, t.seed, t.round, t.id, trim(t.proposed) AS name, t.example, t.scenario
  FROM diagnosis t JOIN all_run_rows r USING (node)
  WHERE trim(t.proposed) <> '' AND t.mendable AND NOT t.suspect
), p AS (
  SELECT r.run, t.name, t.size, t.description FROM pattern t JOIN all_run_rows r USING (node)
  WHERE coalesce(t.category, 'other') = 'other' AND NOT starts_with(t.id, 'category:')
)
SELECT run, mode(name ORDER BY name) AS name, 'diagnosis' AS source, count(DISTINCT example) AS failures,
  mode(scenario ORDER BY scenario) AS description
FROM d ANTI JOIN m USING (run, seed, round, id) GROUP BY run, lower(name)
UNION ALL
SELECT run, name, 'pattern', max(size), arg_max(description, size) FROM p GROUP BY run, name;

CREATE VIEW joined.pattern_price AS
WITH m AS (
  SELECT r.run, t.seed, t.round, t.diagnosis, t.pattern FROM pattern_member t JOIN all_run_rows r USING (node)
), c AS (
  SELECT DISTINCT r.run, t.seed, t.round, t.id, t.pattern FROM candidate t JOIN all_run_rows r USING (node)
), v AS (
  SELECT r.run, t.seed, t.round, t.candidate, 6 AS place, 'verifying' AS what, t.call
  FROM verification t JOIN all_run_rows r USING (node)
  UNION ALL
  SELECT r.run, t.seed, t.round, t.candidate, 7, 'judging', t.call FROM verdict t JOIN all_run_rows r USING (node)
  UNION ALL
  SELECT r.run, t.seed, t.round, t.candidate, 7, 'judging', t.adherence_call FROM verdict t JOIN all_run_rows r USING (node)
), u AS (
  SELECT d.run, d.seed, d.round, m.pattern, 1 AS place, 'diagnosing' AS what, d.call, 1 AS rows
  FROM (SELECT r.run, t.seed, t.round, t.id, t.call FROM diagnosis t JOIN all_run_rows r USING (node)) d
  LEFT JOIN m ON m.run = d.run AND m.seed = d.seed AND m.round = d.round AND m.diagnosis = d.id
  UNION ALL
  SELECT r.run, t.seed, t.round, t.id, 2, 'naming', t.call, 1 FROM pattern t JOIN all_run_rows r USING (node)
  UNION ALL
  SELECT r.run, t.seed, t.round, t.pattern, 3, 'testing', t.call, 1 FROM pattern_test_row t JOIN all_run_rows r USING (node)
  UNION ALL
  SELECT r.run, t.seed, t.round, t.pattern, 4, 'drafting', t.call, 1 FROM strategy t JOIN all_run_rows r USING (node)
  UNION ALL
  SELECT r.run, t.seed, t.round, t.pattern, 5, 'generating', t.call, t.rows FROM row_call t JOIN all_run_rows r USING (node)
  UNION ALL
  SELECT v.run, v.seed, v.round, c.pattern, v.place, v.what, v.call, 1
  FROM v JOIN c ON c.run = v.run AND c.seed = v.seed AND c.round = v.round AND c.id = v.candidate
), n AS (
  SELECT run, seed, round, pattern, place, what, call, sum(rows) AS uses FROM u WHERE call IS NOT NULL GROUP BY ALL
), s AS (
  SELECT run, seed, round, call, sum(uses) AS uses FROM n GROUP BY ALL
), k AS (
  SELECT l.id AS call, sum(l.prompt_tokens + l.completion_tokens) AS tokens, sum(l.cost) AS cost,
    any_value(o.seed) AS seed, any_value(o.round) AS round
  FROM llm_call l LEFT JOIN node o ON o.id = l.node GROUP BY l.id
)
SELECT n.run, n.seed, n.round, n.pattern, n.place, n.what, count(*) AS calls,
  coalesce(sum(k.tokens * n.uses / s.uses), 0) AS tokens, count(*) FILTER (k.tokens IS NULL) AS unmetered,
  sum(k.cost * n.uses / s.uses) AS cost, count(*) FILTER (k.cost IS NULL) AS unpriced
FROM n JOIN s ON s.run = n.run AND s.seed = n.seed AND s.round = n.round AND s.call = n.call LEFT JOIN k ON k.call = n.call
WHERE n.pattern IS NOT NULL AND NOT coalesce(k.seed = n.seed AND k.round < n.round, false)
GROUP BY ALL;
