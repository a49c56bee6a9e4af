-- What was drawn before diagnosis, which rows fall under a pattern, and what a pattern is credited with.

-- What was drawn for each validation failure before anyone looked at it.
CREATE TABLE drawn_failure (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  answer VARCHAR,
  target VARCHAR NOT NULL,
  predicate VARCHAR NOT NULL,
  -- diagnose | held_out (nobody looks at it) | not_sampled (beyond `patterns.diagnose`) | selection (in the part of validation that stops and chooses)
  part VARCHAR NOT NULL
);

-- Validation rows that fall under a pattern, and what became of them after a later fine-tune.
CREATE TABLE pattern_row (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  example VARCHAR NOT NULL,
  -- member (diagnosed) | held_out (failed, and never diagnosed) | other (any row as near to the members as they to each other)
  part VARCHAR NOT NULL,
  -- Cosine similarity of the row to the mean of the members' rows.
  similarity DOUBLE NOT NULL,
  -- Whether it failed in the round that first found the pattern.
  failed BOOLEAN NOT NULL,
  -- Whether it fails in this round.
  fails BOOLEAN NOT NULL,
  -- Whether it fails with the control; NULL without one.
  control_fails BOOLEAN
);

UPDATE pattern_status SET status = 'unclear';
COMMENT ON TABLE pattern_status IS 'How a pattern stands after a later fine-tune, beside the control: a second fine-tune on the original rows alone.';
COMMENT ON COLUMN pattern_status.status IS 'unclear | mended (fewer of its rows fail than with the control, beyond chance) | worse';
COMMENT ON COLUMN pattern_status.before IS 'Failures ever diagnosed and counted to it.';
COMMENT ON COLUMN pattern_status.after IS 'Of these, how many fail in this round; any other fine-tune mends some of them too.';
-- Validation rows that fall under it (pattern_row).
ALTER TABLE pattern_status ADD COLUMN rows INTEGER;
-- Of these: failed when it was found, right in this round.
ALTER TABLE pattern_status ADD COLUMN mended INTEGER;
-- Of these: right when it was found, failing in this round.
ALTER TABLE pattern_status ADD COLUMN broken INTEGER;
-- The same with the control; NULL without one.
ALTER TABLE pattern_status ADD COLUMN control_mended INTEGER;
-- The same with the control; NULL without one.
ALTER TABLE pattern_status ADD COLUMN control_broken INTEGER;
-- Share of the rows that fail with the control minus the share that fails in this round; NULL without a control, and under 20 rows.
ALTER TABLE pattern_status ADD COLUMN effect DOUBLE;
-- Lower end of the effect's 95 % interval over rows.
ALTER TABLE pattern_status ADD COLUMN low DOUBLE;
-- Upper end.
ALTER TABLE pattern_status ADD COLUMN high DOUBLE;
-- McNemar's p-value of the effect, adjusted for the number of patterns.
ALTER TABLE pattern_status ADD COLUMN p DOUBLE;
UPDATE pattern_status SET rows = before, mended = 0, broken = 0;

COMMENT ON TABLE metric IS 'Metrics per split with 95 % intervals: of a share of right answers Wilson, of all else a bootstrap over examples.';
COMMENT ON COLUMN metric.split IS 'train, validation or test; gap_validation, gap_test: train minus that split; validation_selection: the part that stops and chooses, where validation is divided';
