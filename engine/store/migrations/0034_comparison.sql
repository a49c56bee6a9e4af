-- Runs beside one another: what each seed's last student scores, and what it was trained on.

-- The student of the last round that each seed of a run reached, with its scores on test and what it was trained on: the
-- arms of `pada compare` are runs, so their students stand here beside one another, and with them any other run.
CREATE OR REPLACE VIEW comparison_students AS
-- method: the recipe's loop.method, in effect
-- budget: generated rows that one round may add, in effect
-- round: the last one scored on test, the untuned student aside
-- best_round: what the stop rule chose on validation; NULL where it has not decided
-- gap: score on train minus score on test
-- generated: rows of earlier rounds that it was trained on; NULL for a student that came as it is
-- steps: optimizer steps of its fine-tune
WITH s AS (
  SELECT run, recipe, seed, round, metric, value, n, gap FROM all_leaderboard WHERE split = 'test' AND round >= 0
  QUALIFY round = max(round) OVER (PARTITION BY run, seed)
), o AS (
  SELECT r.run, count(*) AS n FROM example e JOIN all_run_rows r USING (node)
  WHERE r.stage = 'load' AND e.split = 'train' GROUP BY r.run
), t AS (
  SELECT r.run, m.seed, m.round, m.rows, m.steps FROM model m JOIN all_run_rows r USING (node)
), d AS (
  SELECT r.run, v.seed, arg_max(v.best_round, v.round) AS best_round FROM decision v JOIN all_run_rows r USING (node)
  WHERE r.stage = 'decide' GROUP BY r.run, v.seed
)
SELECT s.run, s.recipe, c.effective->>'$.loop.method' AS method,
  (c.effective->>'$.augment.rows_per_round')::INTEGER AS budget, s.seed, s.round, d.best_round, s.metric, s.value, s.n,
  s.gap, t.rows - o.n AS generated, t.steps
FROM s
LEFT JOIN run u ON u.id = s.run
LEFT JOIN recipe c ON c.id = u.recipe
LEFT JOIN o ON o.run = s.run
LEFT JOIN t ON t.run = s.run AND t.seed = s.seed AND t.round = s.round
LEFT JOIN d ON d.run = s.run AND d.seed = s.seed;
