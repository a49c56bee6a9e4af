-- What one run leaves in a store: $run is its number, $n its failures per round, $rounds its rounds and $patterns the
-- patterns of one round.

CREATE OR REPLACE TEMP MACRO node_of(run, stage, round, attempt) AS md5(concat_ws('/', run, stage, round, attempt));
CREATE OR REPLACE TEMP MACRO run_of(run) AS printf('r%04d', run);
CREATE OR REPLACE TEMP MACRO word(i, salt) AS ['card', 'account', 'transfer', 'the', 'my', 'pending', 'yesterday', 'not', 'fee',
  'why', 'cash', 'was', 'declined', 'twice', 'abroad', 'pin', 'top-up', 'still', 'exchange', 'rate', 'to', 'from', 'a',
  'refund', 'shop', 'app', 'phone', 'verify', 'identity', 'limit', 'at', 'weekend'
  ][1 + (hash(i + salt * 1000003) % 32)::INTEGER];
CREATE OR REPLACE TEMP MACRO phrase(i, salt) AS concat_ws(' ', word(i, salt), word(i, salt + 1), word(i, salt + 2),
  word(i, salt + 3), word(i, salt + 4), word(i, salt + 5), word(i, salt + 6), word(i, salt + 7), word(i, salt + 8),
  word(i, salt + 9), word(i, salt + 10), word(i, salt + 11));
CREATE OR REPLACE TEMP MACRO label(i) AS 'label_' || (hash(i) % 77);
CREATE OR REPLACE TEMP MACRO id_of(kind, run, i) AS left(md5(concat_ws(':', kind, run, i)), 16);
CREATE OR REPLACE TEMP MACRO call_of(kind, run, i) AS left(md5(concat_ws(':', kind, run, i)), 24);
CREATE OR REPLACE TEMP MACRO pattern_of(run, k) AS 'p-' || left(md5(concat_ws(':', 'pattern', run, k)), 8);

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

-- People looked at some rows of each round, two at each: candidates that were trained on, and a few of the data.
CREATE OR REPLACE TEMP TABLE looked AS
SELECT r, k, id, 'candidate' AS subject, id_of('generated' || r, $run, k) AS example,
  '{"text":"' || phrase(k * 3 + r, 0) || '"}' AS inputs, label(k * 11) AS target
FROM made WHERE accepted AND kept AND k < 200
UNION ALL
SELECT 0, k, NULL, 'train', id_of('example', $run, 2 * $n + k), '{"text":"' || phrase(2 * $n + k + $run * 7919, 0) || '"}',
  label(2 * $n + k + $run * 7919)
FROM range(50) t(k);

INSERT INTO review BY NAME
SELECT id_of('review' || r || subject || reviewer, $run, k) AS id, 'recipe ' || $run % 5 AS recipe, run_of($run) AS run,
  TIMESTAMP '2026-03-02' + to_hours($run) + to_seconds(k) AS made, reviewer,
  CASE WHEN subject = 'candidate' THEN 'candidates' ELSE 'suspect' END AS queue, subject, example, id AS candidate,
  CASE WHEN hash(k, reviewer) % 10 = 0 THEN 'reject' WHEN k % 7 = 0 THEN 'relabel' ELSE 'accept' END AS verdict,
  CASE WHEN verdict = 'reject' THEN 'wrong' ELSE '' END AS reason, '' AS note, inputs, target,
  CASE WHEN verdict = 'relabel' THEN id_of('relabelled' || r, $run, k) END AS new_example,
  CASE WHEN verdict = 'relabel' THEN inputs END AS new_inputs, CASE WHEN verdict = 'relabel' THEN label(k) END AS new_target,
  '[[0,' || r || ']]' AS places, verdict <> 'accept' AS changes, false AS resolves,
  CASE WHEN subject = 'candidate' THEN 'a judge' END AS judge, k % 9 > 0 AS judge_passes, 0.8 AS judge_share
FROM looked, unnest(['ada', 'grace']) u(reviewer);

INSERT INTO reviewed BY NAME
SELECT node_of($run, 'select', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position, id AS item, example,
  'accept' AS verdict, inputs, target, '' AS refused
FROM looked WHERE subject = 'candidate' AND k % 7 > 0;

INSERT INTO preference_pair BY NAME
SELECT node_of($run, 'prefer', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, k AS position,
  id_of('pair' || r, $run, k) AS id, ['student_error', 'corrected', 'blind_answer'][1 + k % 3] AS kind,
  '{"text":"' || phrase(k * 3 + r, 0) || '"}' AS inputs, label(k * 11) AS target, label(k * 11) AS chosen, label(k * 13 + 1) AS rejected,
  id_of('generated' || r, $run, k) AS example, CASE WHEN k % 3 = 2 THEN id_of('candidate' || r, $run, k) END AS candidate,
  CASE WHEN k % 3 = 0 THEN r END AS answered_in, r AS found_in
FROM range(1, $rounds) u(r), range($n // 10) t(k) ORDER BY r, k;

INSERT INTO preference_tuning BY NAME
SELECT node_of($run, 'prefer', r, 0) AS node, run_of($run) AS run, 0 AS seed, r AS round, 0 AS position, true AS tuned,
  '' AS reason, $n // 10 AS pairs, 0 AS left_out, 100 AS supervised_steps, 20 AS steps, 'sigmoid' AS loss, 0.1 AS beta,
  0.4 AS final_loss, 0.9 AS accuracy, 0.8 AS margin
FROM range(1, $rounds) u(r);

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
    WHEN 'select' THEN '{"selected":1,"example":1,"drop":1,"reviewed":1}' WHEN 'track' THEN '{"pattern_status":1,"pattern_row":1}'
    WHEN 'guard' THEN '{"regression":1}'
    WHEN 'prefer' THEN '{"preference_pair":1,"preference_tuning":1}'
    ELSE '{}' END AS counts
FROM (
  SELECT 'load' AS stage, -1 AS r, 0 AS attempt
  UNION ALL SELECT stage, r, 0 FROM range($rounds) u(r), unnest(['train', 'predict', 'score', 'decide', 'draw',
    'diagnose', 'cluster', 'name', 'strategy', 'select', 'benchmark']) s(stage)
  UNION ALL SELECT stage, r, attempt FROM range($rounds) u(r), unnest(['generate', 'judge']) s(stage),
    unnest([1, 2]) a(attempt)
  UNION ALL SELECT 'track', r + 1, 0 FROM range($rounds) u(r)
  UNION ALL SELECT unnest(['guard', 'prefer']), r, 0 FROM range(1, $rounds) u(r)
);
INSERT INTO run_node
SELECT run, id, name, row_number() OVER () - 1, 'done' FROM node WHERE run = run_of($run);
