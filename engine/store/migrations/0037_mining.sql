-- Rows from a pool, and who said what is right.

-- Rows of the pool that were on a round's shortlist, in the pool's order.
CREATE TABLE pool_row (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- Hash of the inputs.
  id VARCHAR NOT NULL,
  inputs JSON NOT NULL,
  -- The source's other columns, without the target's.
  columns JSON NOT NULL,
  -- The pool's own label; empty where it has none, or where the recipe does not take it for right.
  target VARCHAR NOT NULL,
  -- The label that neighbours give it; empty where targets are no labels.
  guess VARCHAR NOT NULL,
  -- The likeliest other one.
  second VARCHAR NOT NULL,
  -- Probability that the guess is right, 0 to 1.
  confidence DOUBLE,
  -- The nearest training row, of the guessed label where there is one.
  parent VARCHAR NOT NULL,
  -- The pattern that it is most like; empty where no pattern is looked at.
  pattern VARCHAR NOT NULL,
  -- Mean of its cosine similarities to that pattern's nearest failure and to its diagnoses.
  likeness DOUBLE,
  source VARCHAR NOT NULL,
  line BIGINT NOT NULL
);

-- How many rows of the pool were read, and how many were left out for which reason.
CREATE TABLE pool_count (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- shortlist (of all rows that were read) or mine (of those on the shortlist).
  stage VARCHAR NOT NULL,
  -- read: all rows that were looked at. Left out: bad-row, empty, duplicate (repeats an earlier row), training,
  -- evaluation (resembles an evaluation row), unknown_label, unsure, not_shortlisted, not_chosen.
  reason VARCHAR NOT NULL,
  rows BIGINT NOT NULL,
  -- Of the first such row.
  detail VARCHAR NOT NULL
);

-- What the student says of the rows on the shortlist, where rows are chosen by that.
CREATE TABLE pool_answer (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- pool_row.id
  pool_row VARCHAR NOT NULL,
  answer VARCHAR,
  -- Probability of the answer among the allowed answers, where the way of answering gives one.
  confidence DOUBLE
);

-- Rows of the pool that became candidates, and those that wait for a person to label them.
CREATE TABLE mined (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- pool_row.id
  pool_row VARCHAR NOT NULL,
  -- candidate.id; NULL for a row that waits.
  candidate VARCHAR,
  -- neighbours, teacher, judge, or column (a person, in the pool).
  label_source VARCHAR NOT NULL,
  -- Probability that the label is right (neighbours), or share of the answers that came to it (teacher, judge).
  confidence DOUBLE,
  -- Whether the student's answer is that label; NULL where it was not asked.
  agrees BOOLEAN,
  source VARCHAR NOT NULL,
  line BIGINT NOT NULL
);

-- Who said that the target is right: writer (who wrote the row), neighbours, teacher, judge, or column (a person, in the
-- pool).
ALTER TABLE candidate ADD COLUMN label_source VARCHAR DEFAULT 'writer';
-- Whether somebody besides who wrote the row says that its target is right: a person, most of several blind answers, or
-- a judge that is calibrated.
ALTER TABLE verdict ADD COLUMN verified BOOLEAN DEFAULT FALSE;

ALTER TABLE flat_candidate ADD COLUMN label_source VARCHAR;
ALTER TABLE flat_candidate ADD COLUMN verified BOOLEAN;
-- File of a mined row.
ALTER TABLE flat_candidate ADD COLUMN source VARCHAR;
ALTER TABLE flat_candidate ADD COLUMN line BIGINT;
-- The training row in whose place it is trained on; NULL where it joins the others.
ALTER TABLE flat_candidate ADD COLUMN replaces VARCHAR;

-- The path of every generated row: training row it was made from, pattern, strategy, verdict, and where it was trained on.
CREATE OR REPLACE VIEW all_lineage AS
WITH p AS (
  SELECT r.run, r.seed, r.round, r.part, min(t.round) AS trained_in
  FROM run_part r
  LEFT JOIN all_run_rows t ON t.run = r.run AND t.seed = r.seed AND t.round > r.round AND t.stage = 'train'
  WHERE r.kind = 'candidates'
  GROUP BY ALL
)
-- round: that generated it
-- failures: failures of its pattern in that round
-- split_from: the cluster of which its pattern is a part, where the namer split one; NULL otherwise
-- accepted: the verdict; NULL before there is one
-- reason: accepted, or the rule that rejected it
-- left_out: why an accepted row was not selected (over_quota, duplicate); NULL otherwise
-- example: the training row it became; NULL when it was not selected
-- label_source: who said that the target is right (`candidate`)
-- verified: whether somebody besides its writer says so (`verdict`); NULL before there is a verdict
-- trained_in: the first round whose fine-tune saw it; NULL when none did
SELECT p.run, p.seed, p.round, c.attempt, c.candidate, c.operator, c.inputs, c.target, c.parent, c.parent_inputs,
  c.parent_target, c.pattern, c.pattern_name, c.category, c.failures, c.split_from, c.strategy, c.strategy_text,
  c.accepted, c.reason, c.detail, c.feedback, c.adherence, c.utility, c.relevance, c.judge_agrees, c.similarity,
  c.neighbour, c.left_out, c.example, CASE WHEN c.example IS NOT NULL THEN p.trained_in END AS trained_in, c.prompt,
  c.model, c.generate_call, c.judge_call, c.label_source, c.verified
FROM flat_candidate c JOIN p USING (part);
