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
