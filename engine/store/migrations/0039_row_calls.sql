-- What rows cost: every call that asked for some. And runs beside one another: what each seed's last student scores, and
-- what it was trained on.

-- One call that asked for rows of one pattern, by one operator, whatever came of them: what rows cost. A call for rows of
-- several patterns has a row for each.
CREATE TABLE row_call (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- llm_call.id
  call VARCHAR NOT NULL,
  pattern VARCHAR NOT NULL, strategy VARCHAR NOT NULL, operator VARCHAR NOT NULL,
  -- Rows of the pattern that it asked for.
  rows INTEGER NOT NULL
);

-- The student of the last round that each seed of a run reached, with its scores on test and what it was trained on: the
-- arms of `pada compare` are runs, so their students stand here beside one another, and with them any other run.
CREATE OR REPLACE VIEW comparison_students AS
-- method: the recipe's loop.method, in effect
-- budget: generated rows that one round may add, in effect
-- round: the last one scored on test, the untuned student aside
-- best_round: what the stop rule chose on validation; NULL where it has not decided
-- gap: score on train minus score on test
-- generated: rows that were written in earlier rounds and that it was trained on; NULL for a student that came as it is
-- mined: rows that were mined in earlier rounds and that it was trained on; NULL for a student that came as it is
-- steps: optimizer steps of its fine-tune
WITH s AS (
  SELECT run, recipe, seed, round, metric, value, n, gap FROM all_leaderboard WHERE split = 'test' AND round >= 0
  QUALIFY round = max(round) OVER (PARTITION BY run, seed)
), o AS (
  SELECT run, seed, round, count(*) FILTER (origin = 'generated') AS generated, count(*) FILTER (origin = 'mined') AS mined
  FROM all_training_rows WHERE origin <> 'original' GROUP BY ALL
), t AS (
  SELECT r.run, m.seed, m.round, m.steps FROM model m JOIN all_run_rows r USING (node)
), d AS (
  SELECT r.run, v.seed, arg_max(v.best_round, v.round) AS best_round FROM decision v JOIN all_run_rows r USING (node)
  WHERE r.stage = 'decide' GROUP BY r.run, v.seed
)
SELECT s.run, s.recipe, c.effective->>'$.loop.method' AS method,
  (c.effective->>'$.augment.rows_per_round')::INTEGER AS budget, s.seed, s.round, d.best_round, s.metric, s.value, s.n,
  s.gap, CASE WHEN t.run IS NOT NULL THEN coalesce(o.generated, 0) END AS generated,
  CASE WHEN t.run IS NOT NULL THEN coalesce(o.mined, 0) END AS mined, t.steps
FROM s
LEFT JOIN run u ON u.id = s.run
LEFT JOIN recipe c ON c.id = u.recipe
LEFT JOIN o ON o.run = s.run AND o.seed = s.seed AND o.round = s.round
LEFT JOIN t ON t.run = s.run AND t.seed = s.seed AND t.round = s.round
LEFT JOIN d ON d.run = s.run AND d.seed = s.seed;
