-- Metrics by slice and by label, and ratings by a rubric.

-- Metrics over parts of a split: the values of the recipe's slices, and single labels.
CREATE TABLE metric_slice (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  split VARCHAR NOT NULL,
  -- The slice's name; the target's column for the precision and recall of single labels.
  slice VARCHAR NOT NULL,
  -- The value, or the label; `(other)` for all beyond the most frequent, `(none)` for rows without a value.
  part VARCHAR NOT NULL,
  metric VARCHAR NOT NULL,
  -- NULL where it could not be scored.
  value DOUBLE,
  -- Examples behind it.
  n INTEGER NOT NULL,
  low DOUBLE,
  high DOUBLE
);

-- The judge's ratings of answers by a metric's rubric.
CREATE TABLE rating (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  split VARCHAR NOT NULL,
  metric VARCHAR NOT NULL,
  -- On the rubric's scale; NULL where the reply was unusable.
  value INTEGER,
  reason VARCHAR NOT NULL,
  -- llm_call.id
  call VARCHAR NOT NULL
);
