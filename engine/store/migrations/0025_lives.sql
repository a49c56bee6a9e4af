-- How patterns live: which earlier ones a cluster continues, was split from or took in, and how they stand since.

-- What a cluster has to do with a pattern of an earlier round of its run.
CREATE TABLE pattern_link (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  -- The earlier pattern; the same where it is continued.
  parent VARCHAR NOT NULL,
  -- continued | split (most members come from the parent, which another cluster continues) | merged (the parent's members went into this pattern)
  kind VARCHAR NOT NULL,
  -- Members in common.
  shared INTEGER NOT NULL,
  -- Cosine similarity of the centroids; NULL for what was merged.
  similarity DOUBLE,
  -- Similarity from which this cluster continues a pattern by its embedding alone.
  threshold DOUBLE NOT NULL
);

-- open | shrinking | fixed | regressed | split | merged | unclear, the default
ALTER TABLE pattern_status ADD COLUMN life VARCHAR DEFAULT 'unclear';
-- Of the rows that fall under it: failed when it was found.
ALTER TABLE pattern_status ADD COLUMN failed INTEGER DEFAULT 0;
-- Of these rows: fail in this round.
ALTER TABLE pattern_status ADD COLUMN failing INTEGER DEFAULT 0;
-- Of these rows: fail with the control; NULL without one.
ALTER TABLE pattern_status ADD COLUMN control_failing INTEGER;
-- Share of these rows that fails in this round; NULL under 20 rows.
ALTER TABLE pattern_status ADD COLUMN rate DOUBLE;
-- Lower end of its 95 % interval (Wilson).
ALTER TABLE pattern_status ADD COLUMN rate_low DOUBLE;
-- Upper end.
ALTER TABLE pattern_status ADD COLUMN rate_high DOUBLE;
-- Of these rows: failed when it was found, and nobody diagnosed them.
ALTER TABLE pattern_status ADD COLUMN held_out INTEGER DEFAULT 0;
-- Of the held-out ones: right in this round.
ALTER TABLE pattern_status ADD COLUMN held_out_mended INTEGER DEFAULT 0;
-- Of the held-out ones: right with the control; NULL without one.
ALTER TABLE pattern_status ADD COLUMN control_held_out_mended INTEGER;
UPDATE pattern_status SET failing = after, life = CASE status WHEN 'mended' THEN 'shrinking' WHEN 'worse' THEN 'regressed' ELSE 'unclear' END;

-- The validation rows that round 0 has right, after each later fine-tune: what broke, beside what the control breaks.
CREATE TABLE regression_suite (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- Rows of the suite.
  n INTEGER NOT NULL,
  -- Of these, wrong in this round.
  broken INTEGER NOT NULL,
  -- Of these, wrong with the control; NULL without one.
  control_broken INTEGER,
  -- Rows of the suite that the control has right too.
  steady INTEGER,
  -- Of the steady ones, wrong in this round.
  steady_broken INTEGER,
  -- Share of the suite that is wrong in this round minus the share that is with the control; NULL without a control, and under 20 rows.
  difference DOUBLE,
  -- Lower end of its 95 % interval.
  low DOUBLE,
  -- Upper end.
  high DOUBLE,
  -- McNemar's p-value of the difference.
  p DOUBLE,
  -- Patterns that regressed.
  patterns VARCHAR[] NOT NULL,
  -- Whether more is broken than by the control, beyond chance, or a pattern has regressed.
  regressed BOOLEAN NOT NULL,
  -- In words.
  detail VARCHAR NOT NULL
);

-- The rows of the suite that fail in a later round or with the control.
CREATE TABLE regression (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  -- In this round.
  fails BOOLEAN NOT NULL,
  -- NULL without a control.
  control_fails BOOLEAN
);

-- What each later round broke of the rows that round 0 had right, beside what the control breaks.
CREATE OR REPLACE VIEW regressions AS
-- n: validation rows that round 0 has right
-- broken: of these, wrong in this round
-- control_broken: of these, wrong with the control; NULL without one
-- steady: rows that round 0 and the control have right
-- steady_broken: of the steady ones, wrong in this round
-- difference: share broken in this round minus share broken with the control; NULL where it cannot be told
-- patterns: those that regressed
-- regressed: whether it is more than chance, or a pattern has regressed
SELECT r.run, t.seed, t.round, t.n, t.broken, t.control_broken, t.steady, t.steady_broken, t.difference, t.low, t.high,
  t.p, t.patterns, t.regressed, t.detail
FROM regression_suite t JOIN run_rows r USING (node);

-- What each pattern weighs where a round's rows are shared out; one that is excluded stands in drop.
CREATE TABLE pattern_share (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  -- By evidence: size x confirmation x headroom x paid; else as the recipe shares out.
  weight DOUBLE NOT NULL,
  -- Of the rows that are written against patterns in this round, 0 to 1.
  share DOUBLE NOT NULL,
  -- Failures in it.
  size INTEGER NOT NULL,
  -- Share of what failed of its rows when it was found that still fails; 1 for a pattern that is new.
  headroom DOUBLE NOT NULL,
  -- Halved for each sign that rows against it did not pay.
  paid DOUBLE NOT NULL,
  -- In words.
  reason VARCHAR NOT NULL,
  -- How far the test of its description bears it out, 0 to 1.
  confirmation DOUBLE NOT NULL
);

-- Where each pattern of each run was first seen, as matched when the run ended to earlier runs of recipes of that name.
CREATE TABLE pattern_origin (
  run VARCHAR NOT NULL, seed INTEGER NOT NULL, pattern VARCHAR NOT NULL,
  -- The run that saw it first, which may have been removed since; the run itself for a pattern that is new.
  first_run VARCHAR NOT NULL,
  -- The seed, and the pattern's id there.
  first_seed INTEGER NOT NULL, first_pattern VARCHAR NOT NULL,
  -- When that run began, UTC.
  first_seen TIMESTAMP NOT NULL,
  -- recipe.id of that run; it may have been removed since.
  first_recipe VARCHAR NOT NULL,
  -- What that recipe says of its version; empty where it says nothing.
  first_version VARCHAR NOT NULL,
  -- The latest sighting, to which it was matched; NULL for a pattern that is new.
  earlier_run VARCHAR, earlier_seed INTEGER, earlier_pattern VARCHAR,
  -- Members in common with that sighting.
  shared INTEGER NOT NULL,
  -- Cosine similarity of the centroids; NULL where it was not needed, or embedders differ.
  similarity DOUBLE,
  PRIMARY KEY (run, seed, pattern)
);

-- Each pattern of each run with where it was first seen, over runs, seeds and versions of a recipe.
CREATE OR REPLACE VIEW pattern_origins AS
WITH n AS (
  SELECT r.run, t.seed, t.id AS pattern, arg_max(t.name, t.round) AS name, arg_max(t.category, t.round) AS category,
    arg_max(t.size, t.round) AS size
  FROM pattern t JOIN run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.seed, t.pattern, arg_max(t.life, t.round) AS life
  FROM pattern_status t JOIN run_rows r USING (node) GROUP BY ALL
)
-- root: the same for all sightings of one pattern
-- version: what the run's recipe says of its version
-- seen: when the run began, UTC
-- life: after the run's latest fine-tune; NULL where none followed
-- is_new: whether no earlier run saw it
SELECT concat_ws('/', o.first_run, o.first_seed, o.first_pattern) AS root, o.run, c.name AS recipe,
  coalesce(c.effective->>'version', '') AS version, x.started AS seen, o.seed, o.pattern, n.name, n.category, n.size,
  k.life, o.earlier_run IS NULL AS is_new, o.first_run, o.first_seen, o.first_version, o.earlier_run, o.shared,
  o.similarity
FROM pattern_origin o
JOIN run x ON x.id = o.run
LEFT JOIN recipe c ON c.id = x.recipe
LEFT JOIN n ON n.run = o.run AND n.seed = o.seed AND n.pattern = o.pattern
LEFT JOIN k ON k.run = o.run AND k.seed = o.seed AND k.pattern = o.pattern;
