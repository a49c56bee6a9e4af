-- The first schema: the tables. Applied once, never edited; later changes are new files.
-- `--` lines directly above a table or a column become docs/store.md, and comments in the store itself.
-- Tables of rows begin with the same columns: `node` made them, in `run`, for `seed` and `round`; `position` is
-- the row's place in the node's output, from 0.

-- Recipes as they were run: one row per distinct content.
CREATE TABLE recipe (
  -- Hash of the effective recipe (after --var and defaults).
  id VARCHAR PRIMARY KEY,
  name VARCHAR NOT NULL,
  -- Path as given on the command line.
  path VARCHAR NOT NULL,
  -- The YAML as written.
  source VARCHAR NOT NULL,
  -- The effective recipe as JSON, defaults included.
  effective JSON NOT NULL
);

-- Executions of a recipe.
CREATE TABLE run (
  -- `r0001`, `r0002`, … in order of starting.
  id VARCHAR PRIMARY KEY,
  recipe VARCHAR NOT NULL,
  -- running | done | interrupted | stopped (budget) | failed | waiting | killed (its process died)
  status VARCHAR NOT NULL,
  -- UTC.
  started TIMESTAMP NOT NULL,
  -- UTC; NULL while it is going.
  ended TIMESTAMP,
  -- Why it ended as it did.
  note VARCHAR,
  -- Versions of the engine and of the libraries that decide results, as JSON.
  versions JSON NOT NULL,
  -- Rows per split that were kept (`--limit`); NULL for all.
  row_limit INTEGER
);

-- Boxes of the DAG that have been finished, by fingerprint: written last, so its presence means all its rows are there.
CREATE TABLE node (
  -- The fingerprint, known before the run.
  id VARCHAR PRIMARY KEY,
  name VARCHAR NOT NULL,
  stage VARCHAR NOT NULL,
  -- The loop's seed.
  seed INTEGER NOT NULL,
  -- -1 is the untuned student, 0 the plain fine-tune.
  round INTEGER NOT NULL,
  -- Generation attempt, from 1; 0 where there is none.
  attempt INTEGER NOT NULL,
  -- What the fingerprint was made of, as JSON: `pada plan` compares it to say what changed.
  identity JSON NOT NULL,
  -- The run that did the work.
  run VARCHAR NOT NULL,
  started TIMESTAMP NOT NULL,
  ended TIMESTAMP NOT NULL,
  -- Hash over the node's rows: equal for equal results.
  content VARCHAR NOT NULL,
  -- Rows per table, as JSON.
  counts JSON NOT NULL
);

-- Which nodes a run is made of.
CREATE TABLE run_node (
  run VARCHAR NOT NULL,
  node VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  -- Place in the plan, from 0.
  position INTEGER NOT NULL,
  -- done | cached | skipped
  status VARCHAR NOT NULL,
  PRIMARY KEY (run, node)
);

-- Labelled rows of the three splits.
CREATE TABLE example (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- Hash of inputs and target.
  id VARCHAR NOT NULL,
  split VARCHAR NOT NULL,
  -- The columns that the student sees.
  inputs JSON NOT NULL,
  target VARCHAR NOT NULL,
  -- The source's other columns.
  columns JSON NOT NULL,
  -- File, relative to the recipe, or data-set URI.
  source VARCHAR NOT NULL,
  -- Line or record number in the source, from 1.
  line BIGINT NOT NULL
);

-- The student's answers.
CREATE TABLE prediction (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  split VARCHAR NOT NULL,
  -- What the student said, whole.
  text VARCHAR NOT NULL,
  -- The answer read from it; NULL when it cannot be read.
  answer VARCHAR,
  -- ok | unparsable | backend_failed
  status VARCHAR NOT NULL,
  -- Probability of the answer among the allowed ones, 0 to 1.
  confidence DOUBLE,
  -- How the answer was obtained.
  how VARCHAR NOT NULL
);

-- Per-example metric values; NULL means "could not be scored".
CREATE TABLE score (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  split VARCHAR NOT NULL,
  metric VARCHAR NOT NULL,
  value DOUBLE
);

-- Metrics per split with 95 % bootstrap intervals; splits `gap_validation` and `gap_test` are train minus that split.
CREATE TABLE metric (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  split VARCHAR NOT NULL,
  metric VARCHAR NOT NULL,
  value DOUBLE,
  -- Examples behind it.
  n INTEGER NOT NULL,
  low DOUBLE,
  high DOUBLE
);

-- Trained students.
CREATE TABLE model (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- Folder of the adapter, relative to the state folder.
  path VARCHAR NOT NULL,
  -- SHA-256 of the weights.
  weights VARCHAR NOT NULL,
  -- Hash over the ids of the training rows.
  data VARCHAR NOT NULL,
  rows INTEGER NOT NULL,
  steps INTEGER NOT NULL,
  epochs DOUBLE NOT NULL,
  -- Mean nats per completion token.
  train_loss DOUBLE,
  validation_loss DOUBLE,
  chosen_step INTEGER NOT NULL,
  seconds DOUBLE NOT NULL
);

-- Predictions for which the recipe's failure predicate holds (train and validation; test never).
CREATE TABLE failure (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  split VARCHAR NOT NULL,
  answer VARCHAR,
  target VARCHAR NOT NULL,
  predicate VARCHAR NOT NULL
);

-- Why a failure happened, by the teacher.
CREATE TABLE diagnosis (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  id VARCHAR NOT NULL,
  example VARCHAR NOT NULL,
  root_cause VARCHAR NOT NULL,
  scenario VARCHAR NOT NULL,
  -- llm_call.id
  call VARCHAR NOT NULL
);

-- Named clusters of diagnoses; the id persists from round to round.
CREATE TABLE pattern (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  id VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  description VARCHAR NOT NULL,
  -- Taxonomy category; NULL with an open taxonomy.
  category VARCHAR,
  size INTEGER NOT NULL,
  -- Unit-length mean embedding of the members' diagnoses.
  centroid DOUBLE[] NOT NULL,
  -- Mean silhouette of the members, -1 to 1; NULL for a single cluster.
  silhouette DOUBLE,
  call VARCHAR,
  -- What became of texts that quoted an evaluation row (reworded, replaced, left out), and why; NULL when all were clean.
  guard VARCHAR
);

-- Which failures belong to which pattern.
CREATE TABLE pattern_member (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  example VARCHAR NOT NULL,
  diagnosis VARCHAR NOT NULL,
  -- 1 - cosine similarity to the centroid.
  distance DOUBLE NOT NULL,
  -- How much nearer to its own cluster than to the next, -1 to 1; NULL without a second cluster.
  silhouette DOUBLE
);

-- How a pattern's members fare after a later fine-tune.
CREATE TABLE pattern_status (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  -- open | shrinking | fixed | regressed
  status VARCHAR NOT NULL,
  -- Members that failed when the pattern was found.
  before INTEGER NOT NULL,
  -- Of these, how many fail in this round.
  after INTEGER NOT NULL
);

-- How to write rows that would cure one pattern.
CREATE TABLE strategy (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  id VARCHAR NOT NULL,
  pattern VARCHAR NOT NULL,
  text VARCHAR NOT NULL,
  -- Targets its seed rows may have.
  labels VARCHAR[] NOT NULL,
  call VARCHAR,
  guard VARCHAR
);

-- Generated rows before their verdict.
CREATE TABLE candidate (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  id VARCHAR NOT NULL,
  -- The training example it was made from.
  parent VARCHAR NOT NULL,
  pattern VARCHAR NOT NULL,
  strategy VARCHAR NOT NULL,
  operator VARCHAR NOT NULL,
  attempt INTEGER NOT NULL,
  inputs JSON NOT NULL,
  target VARCHAR NOT NULL,
  -- Hash of the prompt template.
  prompt VARCHAR NOT NULL,
  -- Identity of the model that wrote it.
  model VARCHAR NOT NULL,
  call VARCHAR NOT NULL
);

-- What was decided about each candidate, and why: exactly one per candidate.
CREATE TABLE verdict (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  candidate VARCHAR NOT NULL,
  accepted BOOLEAN NOT NULL,
  -- accepted, or the first rule that rejected it.
  reason VARCHAR NOT NULL,
  detail VARCHAR NOT NULL,
  -- What the next attempt is told.
  feedback VARCHAR NOT NULL,
  -- The judge's scores, 1 to 5.
  adherence INTEGER, utility INTEGER, relevance INTEGER,
  -- Whether the judge's scores reach the minimum, also where they do not decide.
  judge_agrees BOOLEAN,
  -- Cosine similarity to the seed row.
  similarity DOUBLE,
  -- Share of the nearest labelled training rows with the candidate's target.
  neighbour DOUBLE,
  call VARCHAR
);

-- Accepted candidates that joined a training set, and the example each became.
CREATE TABLE selected (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  candidate VARCHAR NOT NULL,
  example VARCHAR NOT NULL
);

-- Everything left out: which stage, what, why.
CREATE TABLE "drop" (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  stage VARCHAR NOT NULL,
  -- Id of the thing left out, if it has one.
  item VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  detail VARCHAR NOT NULL
);

-- Whether another round follows, and why.
CREATE TABLE decision (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  go_on BOOLEAN NOT NULL,
  reason VARCHAR NOT NULL,
  metric VARCHAR NOT NULL,
  value DOUBLE,
  -- The round with the best validation score so far.
  best_round INTEGER NOT NULL
);

-- The ledger: every reply of a teacher or judge. Usable replies (error IS NULL) are served again, never paid twice.
CREATE TABLE llm_call (
  -- Hash of messages, schema, parameters, model and attempt; several rows when earlier replies were unusable.
  id VARCHAR NOT NULL,
  run VARCHAR NOT NULL,
  -- Fingerprint of the node that first asked.
  node VARCHAR NOT NULL,
  -- teacher | judge
  role VARCHAR NOT NULL,
  model VARCHAR NOT NULL,
  -- Chat turns as JSON.
  messages JSON NOT NULL,
  -- JSON Schema of the reply, as sent.
  schema JSON NOT NULL,
  max_tokens INTEGER NOT NULL,
  temperature DOUBLE NOT NULL,
  attempt INTEGER NOT NULL,
  -- Raw text of the reply.
  reply VARCHAR NOT NULL,
  -- stop | length | refusal | error
  finish_reason VARCHAR NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  seconds DOUBLE NOT NULL,
  -- How the structure was obtained.
  method VARCHAR NOT NULL,
  -- Kind of failure; NULL for a usable reply.
  error VARCHAR,
  detail VARCHAR NOT NULL,
  -- UTC.
  created TIMESTAMP NOT NULL
);

-- Spool segments whose rows are in this file: a kill between commit and deletion doubles nothing.
CREATE TABLE fold (
  -- `run/number` of the segment.
  segment VARCHAR PRIMARY KEY,
  rows INTEGER NOT NULL
);
