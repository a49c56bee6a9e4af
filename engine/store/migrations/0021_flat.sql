-- What views show of each round, laid flat when its nodes are committed (decision 19), and the views over it.

-- Rows of one round, laid flat from the nodes that made them: for the views, which say what the columns mean.
CREATE TABLE flat_part (
  part INTEGER PRIMARY KEY,
  -- failures | confusion | candidates: which flat tables have its rows
  kind VARCHAR NOT NULL,
  -- The nodes that it is made of.
  nodes VARCHAR[] NOT NULL
);

-- Which parts each run shows: runs that share nodes share parts.
CREATE TABLE run_part (
  run VARCHAR NOT NULL,
  -- As of the part.
  kind VARCHAR NOT NULL,
  seed INTEGER NOT NULL,
  round INTEGER NOT NULL,
  -- flat_part.part
  part INTEGER NOT NULL
);

-- Failures with their rows, answers, diagnoses and patterns: ask the view `failures`.
CREATE TABLE flat_failure (
  part INTEGER NOT NULL,
  split VARCHAR NOT NULL, example VARCHAR NOT NULL, inputs JSON, target VARCHAR NOT NULL, answer VARCHAR,
  prediction VARCHAR, status VARCHAR, confidence DOUBLE, predicate VARCHAR NOT NULL, root_cause VARCHAR,
  scenario VARCHAR, pattern VARCHAR, pattern_name VARCHAR, category VARCHAR, columns JSON
);

-- Failures counted to each pattern in a round.
CREATE TABLE flat_member (part INTEGER NOT NULL, pattern VARCHAR NOT NULL, members BIGINT NOT NULL);

-- Validation rows that were answered in a round, and those that failed.
CREATE TABLE flat_validation (part INTEGER NOT NULL, n BIGINT NOT NULL, failing BIGINT NOT NULL);

-- How often each target was answered with what: ask the view `confusion`.
CREATE TABLE flat_confusion (
  part INTEGER NOT NULL, split VARCHAR NOT NULL, target VARCHAR NOT NULL, answer VARCHAR, n BIGINT NOT NULL
);

-- Generated rows with their parents, patterns, strategies and verdicts: ask the views `lineage` and `rejected_rows`.
CREATE TABLE flat_candidate (
  part INTEGER NOT NULL,
  attempt INTEGER NOT NULL, candidate VARCHAR NOT NULL, operator VARCHAR NOT NULL, inputs JSON NOT NULL,
  target VARCHAR NOT NULL, parent VARCHAR NOT NULL, parent_inputs JSON, parent_target VARCHAR,
  pattern VARCHAR NOT NULL, pattern_name VARCHAR, category VARCHAR, failures INTEGER, strategy VARCHAR NOT NULL,
  strategy_text VARCHAR, accepted BOOLEAN, reason VARCHAR, detail VARCHAR, feedback VARCHAR, adherence INTEGER,
  utility INTEGER, relevance INTEGER, judge_agrees BOOLEAN, similarity DOUBLE, neighbour DOUBLE, left_out VARCHAR,
  example VARCHAR, prompt VARCHAR NOT NULL, model VARCHAR NOT NULL, generate_call VARCHAR NOT NULL, judge_call VARCHAR
);

-- Generated rows of a round by where they ended: ask the view `funnel`.
CREATE TABLE flat_funnel (
  part INTEGER NOT NULL, step INTEGER NOT NULL, what VARCHAR NOT NULL, reason VARCHAR, rows BIGINT NOT NULL
);

-- Generated rows of a round by pattern, strategy and operator, with the tokens of generating and judging: ask `payoff`.
CREATE TABLE flat_yield (
  part INTEGER NOT NULL, pattern VARCHAR NOT NULL, strategy VARCHAR NOT NULL, operator VARCHAR NOT NULL,
  generated BIGINT NOT NULL, accepted BIGINT NOT NULL, selected BIGINT NOT NULL, tokens DOUBLE
);

-- The path of every generated row: training row it was made from, pattern, strategy, verdict, and where it was trained on.
CREATE OR REPLACE VIEW lineage AS
WITH p AS (
  SELECT r.run, r.seed, r.round, r.part, min(t.round) AS trained_in
  FROM run_part r
  LEFT JOIN run_rows t ON t.run = r.run AND t.seed = r.seed AND t.round > r.round AND t.stage = 'train'
  WHERE r.kind = 'candidates'
  GROUP BY ALL
)
-- round: that generated it
-- failures: failures of its pattern in that round
-- accepted: the verdict; NULL before there is one
-- reason: accepted, or the rule that rejected it
-- left_out: why an accepted row was not selected (over_quota, duplicate); NULL otherwise
-- example: the training row it became; NULL when it was not selected
-- trained_in: the first round whose fine-tune saw it; NULL when none did
SELECT p.run, p.seed, p.round, c.attempt, c.candidate, c.operator, c.inputs, c.target, c.parent, c.parent_inputs,
  c.parent_target, c.pattern, c.pattern_name, c.category, c.failures, c.strategy, c.strategy_text, c.accepted,
  c.reason, c.detail, c.feedback, c.adherence, c.utility, c.relevance, c.judge_agrees, c.similarity, c.neighbour,
  c.left_out, c.example, CASE WHEN c.example IS NOT NULL THEN p.trained_in END AS trained_in, c.prompt, c.model,
  c.generate_call, c.judge_call
FROM flat_candidate c JOIN p USING (part);

-- Generated rows that joined no training set: rejected by the verdict, or accepted and left out by the selection.
CREATE OR REPLACE VIEW rejected_rows AS
-- stage: judge or select
SELECT run, seed, round, attempt, candidate, CASE WHEN accepted THEN 'select' ELSE 'judge' END AS stage,
  CASE WHEN accepted THEN left_out ELSE reason END AS reason, detail, feedback, operator, inputs, target, parent,
  parent_inputs, parent_target, pattern, pattern_name, adherence, utility, relevance, judge_agrees, similarity,
  neighbour
FROM lineage
WHERE NOT accepted OR left_out IS NOT NULL;

-- Where generated rows end up, step by step: generated, rejected by reason, accepted, left out, selected, trained on.
CREATE OR REPLACE VIEW funnel AS
WITH p AS (
  SELECT r.run, r.seed, r.round, r.part, min(t.round) AS trained_in
  FROM run_part r
  LEFT JOIN run_rows t ON t.run = r.run AND t.seed = r.seed AND t.round > r.round AND t.stage = 'train'
  WHERE r.kind = 'candidates'
  GROUP BY ALL
)
-- step: 0 not generated, 1 generated, 2 rejected, 3 accepted, 4 left out, 5 selected, 6 trained on; sorts the rows
-- reason: for the steps that lose rows
SELECT r.run, r.seed, r.round, f.step, f.what, f.reason, f.rows FROM flat_funnel f JOIN run_part r USING (part)
UNION ALL
SELECT p.run, p.seed, p.round, 6, 'trained on', NULL, CASE WHEN p.trained_in IS NULL THEN 0 ELSE f.rows END
FROM flat_funnel f JOIN p USING (part) WHERE f.step = 5;

-- The confusion matrix of every run, round and split: how often each target was answered with what.
CREATE OR REPLACE VIEW confusion AS
-- answer: NULL for answers that could not be read
-- n: examples; those that the student could not be asked are left out
SELECT r.run, r.seed, r.round, f.split, f.target, f.answer, f.n FROM flat_confusion f JOIN run_part r USING (part);

-- What each pattern, strategy and operator bought. A pattern has points only where its status says mended or worse:
-- where, over all validation rows that fall under it, this student and the control differ beyond chance. They are
-- shared among the rows selected for the pattern in all rounds, so the lines of a pattern add up. Without a control,
-- with fewer than 20 rows, and for patterns found after round 0 there are none. Tokens are those of generating and
-- judging (a judge call over several rows is split evenly), rejected rows included; diagnosing, naming and drafting
-- are not (see `spend`).
CREATE OR REPLACE VIEW payoff AS
WITH b AS (
  SELECT r.run, r.seed, r.round, f.* EXCLUDE (part) FROM flat_yield f JOIN run_part r USING (part)
), q AS (
  SELECT r.run, r.seed, r.round, f.n, f.failing FROM flat_validation f JOIN run_part r USING (part) WHERE f.n > 0
), m AS (
  SELECT r.run, r.seed, r.round, f.pattern, f.members FROM flat_member f JOIN run_part r USING (part)
), s AS (
  SELECT r.run, t.seed, t.round AS tracked, t.pattern, t.status, t.rows, t.mended, t.broken, t.control_mended,
    t.control_broken, t.effect
  FROM pattern_status t JOIN run_rows r USING (node)
  QUALIFY row_number() OVER (PARTITION BY r.run, t.seed, t.pattern ORDER BY t.round DESC) = 1
), i AS (
  SELECT b.*, s.tracked, s.status, s.rows, s.mended, s.broken, s.control_mended, s.control_broken, s.effect,
    b.selected / nullif(sum(b.selected) FILTER (b.round < s.tracked)
      OVER (PARTITION BY b.run, b.seed, b.pattern), 0) AS share
  FROM b LEFT JOIN s ON s.run = b.run AND s.seed = b.seed AND s.pattern = b.pattern AND s.tracked > b.round
)
-- round: that generated the rows
-- members: validation failures of the pattern in that round
-- status: after the latest fine-tune: unclear, mended or worse; NULL when none followed
-- rows: validation rows that fall under the pattern
-- mended: of these, failed when it was found and right after the latest fine-tune: chance included
-- broken: of these, right when it was found and failing after the latest fine-tune: chance included
-- control_mended: the same with the control; NULL without one
-- control_broken: the same with the control; NULL without one
-- effect: share of the rows that fail with the control minus the share that fails now
-- points: this line's part of the effect, in percentage points of the validation rows, adjusted by the control; NULL while unclear
-- points_per_1000_tokens: points bought by 1,000 tokens of generating and judging
-- round_change_unadjusted: by how many points of the validation rows fewer fail after the round's fine-tune than before, chance included
SELECT i.run, i.seed, i.round, i.pattern, n.name AS pattern_name, i.strategy, i.operator, i.generated, i.accepted,
  i.selected, round(i.tokens)::BIGINT AS tokens, m.members, i.status, i.rows, i.mended, i.broken, i.control_mended,
  i.control_broken, i.effect,
  CASE WHEN i.status <> 'unclear' THEN 100 * i.effect * i.rows * i.share / q.n END AS points,
  CASE WHEN i.status <> 'unclear' THEN
    100 * i.effect * i.rows * i.share / q.n / nullif(i.tokens / 1000, 0)
  END AS points_per_1000_tokens,
  CASE WHEN q2.n IS NOT NULL THEN
    100.0 * q.failing / q.n - 100.0 * q2.failing / q2.n
  END AS round_change_unadjusted
FROM i
LEFT JOIN m ON m.run = i.run AND m.seed = i.seed AND m.round = i.round AND m.pattern = i.pattern
LEFT JOIN q ON q.run = i.run AND q.seed = i.seed AND q.round = i.round
LEFT JOIN q q2 ON q2.run = i.run AND q2.seed = i.seed AND q2.round = i.round + 1
LEFT JOIN (SELECT r.run, t.seed, t.round, t.id, any_value(t.name) AS name
           FROM pattern t JOIN run_rows r USING (node) GROUP BY ALL) n
  ON n.run = i.run AND n.seed = i.seed AND n.round = i.round AND n.id = i.pattern;
