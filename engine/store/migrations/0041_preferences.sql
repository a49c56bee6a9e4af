-- Preference tuning: pairs of right and wrong answers, and what students were tuned with.

-- Pairs of a right and a wrong answer to the same inputs, as a round's student was tuned with them: `preference_pairs`.
CREATE TABLE preference_pair (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position BIGINT NOT NULL,
  id VARCHAR NOT NULL,
  -- student_error, corrected or blind_answer
  kind VARCHAR NOT NULL,
  inputs JSON NOT NULL,
  -- The right answer, as in a training row.
  target VARCHAR NOT NULL,
  -- What the student is to say.
  chosen VARCHAR NOT NULL,
  -- What it is not to say.
  rejected VARCHAR NOT NULL,
  -- The training row with these inputs; NULL of a rejected row.
  example VARCHAR,
  -- The rejected row with the wrong target; NULL where the answer is a student's.
  candidate VARCHAR,
  -- The round whose student gave the wrong answer (of its own round: before its tuning); NULL where it is a target.
  answered_in INTEGER,
  -- The round that found it; earlier than its own where it is taken over.
  found_in INTEGER NOT NULL
);

-- How each student of a recipe with `objective: dpo` was tuned, or why it was not.
CREATE TABLE preference_tuning (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position BIGINT NOT NULL,
  -- False: the student is the plain fine-tune with all of the round's steps.
  tuned BOOLEAN NOT NULL,
  -- Why it was not tuned; empty where it was.
  reason VARCHAR NOT NULL,
  -- That it was tuned with.
  pairs BIGINT NOT NULL,
  -- Pairs that were found and not used.
  left_out BIGINT NOT NULL,
  -- Optimizer steps on rows; with `steps` those of every other fine-tune.
  supervised_steps BIGINT NOT NULL,
  -- Optimizer steps on pairs.
  steps BIGINT NOT NULL,
  loss VARCHAR NOT NULL,
  beta DOUBLE NOT NULL,
  -- Mean loss of a pair in the last pass; NULL without tuning, as what follows.
  final_loss DOUBLE,
  -- Share of pairs, in the last pass, whose right answer had gained on the wrong one.
  accuracy DOUBLE,
  -- Their mean difference of rewards, in nats times beta.
  margin DOUBLE
);

-- Whether preference tuning goes on from it: no student of its round, but the first part of one.
ALTER TABLE model ADD COLUMN interim BOOLEAN DEFAULT false;

-- The pairs of right and wrong answers that a round's student was tuned with, each with what came of it.
CREATE OR REPLACE VIEW all_preference_pairs AS
-- kind: student_error (what a student said to a row that it trains on), corrected (another target that the row had),
--   blind_answer (the target of a rejected row that all who answered it blind answered otherwise)
-- used: false where there were too few pairs, so that the student is the plain fine-tune
-- answered_in: the round whose student gave the wrong answer; NULL where it is a target
-- found_in: the round that found the pair; later ones take it over
SELECT r.run, p.seed, p.round, p.kind, p.inputs, p.target, p.chosen, p.rejected, p.example, p.candidate, p.answered_in,
  p.found_in, t.tuned AS used, p.id AS pair
FROM preference_pair p JOIN all_run_rows r USING (node)
LEFT JOIN (
  SELECT r.run, t.seed, t.round, t.tuned FROM preference_tuning t JOIN all_run_rows r USING (node)
) t ON t.run = r.run AND t.seed = p.seed AND t.round = p.round;

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
-- steps: optimizer steps of its fine-tune, those on pairs included
WITH s AS (
  SELECT run, recipe, seed, round, metric, value, n, gap FROM all_leaderboard WHERE split = 'test' AND round >= 0
  QUALIFY round = max(round) OVER (PARTITION BY run, seed)
), o AS (
  SELECT run, seed, round, count(*) FILTER (origin = 'generated') AS generated, count(*) FILTER (origin = 'mined') AS mined
  FROM all_training_rows WHERE origin <> 'original' GROUP BY ALL
), t AS (
  SELECT r.run, m.seed, m.round, m.steps FROM model m JOIN all_run_rows r USING (node) WHERE NOT m.interim
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
