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
