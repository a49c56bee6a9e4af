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

-- Generated rows that joined no training set: rejected by the verdict, or accepted and left out by the selection.
CREATE OR REPLACE VIEW all_rejected_rows AS
-- stage: judge or select
SELECT run, seed, round, attempt, candidate, CASE WHEN accepted THEN 'select' ELSE 'judge' END AS stage,
  CASE WHEN accepted THEN left_out ELSE reason END AS reason, detail, feedback, operator, inputs, target, parent,
  parent_inputs, parent_target, pattern, pattern_name, adherence, utility, relevance, judge_agrees, similarity,
  neighbour
FROM all_lineage
WHERE NOT accepted OR left_out IS NOT NULL;

-- What each fine-tune saw: the original training rows but for those in whose place others came, and the rows selected in
-- the earlier rounds whose rows it takes, but for those kept out since a round was rolled back.
CREATE OR REPLACE VIEW all_training_rows AS
WITH trained AS (
  -- What each is made of: among other things `earlier.N` for every round N whose rows it takes.
  SELECT DISTINCT r.run, r.seed, r.round, json_keys(n.identity, '$.inputs') AS takes
  FROM all_run_rows r JOIN node n ON n.id = r.node WHERE r.stage = 'train'
), t AS (
  FROM trained
  UNION
  SELECT run, seed, round + 1, NULL FROM all_run_rows r WHERE stage = 'select'
    AND NOT EXISTS (FROM trained WHERE trained.run = r.run AND trained.seed = r.seed)
), b AS (
  SELECT r.run, d.seed, d.round, d.best_round FROM decision d JOIN all_run_rows r USING (node) WHERE d.rolled_back
), w AS (
  SELECT t.*, r.node, r.made_by FROM t JOIN all_run_rows r USING (run) WHERE r.stage = 'load'
), g AS (
  SELECT t.*, r.part, r.round AS made_in FROM t JOIN run_part r ON r.run = t.run AND r.seed = t.seed AND r.round < t.round
  WHERE r.kind = 'candidates' AND (t.takes IS NULL OR list_contains(t.takes, 'earlier.' || r.round)) AND NOT EXISTS (
    FROM b WHERE b.run = t.run AND b.seed = t.seed AND b.round < t.round AND b.best_round <= r.round AND r.round < b.round
  )
), x AS (
  -- Few, so that a list of them costs less than a join of all rows.
  SELECT g.run, g.seed, g.round, list(c.replaces) AS gone FROM flat_candidate c JOIN g USING (part)
  WHERE c.replaces IS NOT NULL GROUP BY ALL
), o AS (
  SELECT k.*, x.gone FROM w k LEFT JOIN x ON x.run = k.run AND x.seed = k.seed AND x.round = k.round
)
-- round: of the fine-tune; 0 for the one that happens elsewhere with `train: {method: none}`
-- origin: original, generated, or mined from the pool
-- made_in: the round that generated it; NULL for original rows
-- source: file of an original or a mined row
-- label_source: who said that the target is right: data (an original row), writer, neighbours, teacher, judge, column
-- verified: whether somebody besides the row's writer says so; what the data says is taken for right
SELECT o.run, o.seed, o.round, 'original' AS origin, e.id AS example, e.inputs, e.target, e.source, e.line,
  NULL::INTEGER AS made_in, NULL::VARCHAR AS candidate, NULL::VARCHAR AS parent, NULL::VARCHAR AS pattern,
  NULL::VARCHAR AS operator, 'data' AS label_source, true AS verified
FROM example e JOIN o ON o.node = e.node AND o.made_by = e.run
WHERE e.split = 'train' AND (o.gone IS NULL OR NOT list_contains(o.gone, e.id))
UNION ALL
SELECT g.run, g.seed, g.round, CASE c.operator WHEN 'mine' THEN 'mined' ELSE 'generated' END, c.example, c.inputs,
  c.target, c.source, c.line, g.made_in, c.candidate, c.parent, c.pattern, c.operator, c.label_source,
  coalesce(c.verified, false)
FROM flat_candidate c JOIN g USING (part) WHERE c.example IS NOT NULL;
