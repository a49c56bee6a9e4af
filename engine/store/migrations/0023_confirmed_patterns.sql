-- Clusters that were split, and whether patterns are real.

-- Which failures belonged to which cluster before any was split; `pattern_member` has what the patterns are made of.
CREATE TABLE cluster_member (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  example VARCHAR NOT NULL,
  diagnosis VARCHAR NOT NULL,
  -- 1 - cosine similarity to the centroid.
  distance DOUBLE NOT NULL,
  -- How much nearer to its own cluster than to the next, -1 to 1; NULL without a second cluster.
  silhouette DOUBLE
);

-- The cluster that the pattern is a part of, where the teacher split one that was not coherent.
ALTER TABLE pattern ADD COLUMN split_from VARCHAR;

-- Whether a pattern is real: what fails more often among validation rows that fall under its description.
CREATE TABLE pattern_test (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  -- confirmed | weak | refuted | untested
  verdict VARCHAR NOT NULL,
  -- Whether rows are written against it.
  funded BOOLEAN NOT NULL,
  -- What the verdict follows from, in words.
  detail VARCHAR NOT NULL,
  -- Rows that the judge was asked about in this round; 0 where the verdict is an earlier round's.
  asked INTEGER NOT NULL,
  -- Failed rows that were answered.
  failed INTEGER NOT NULL,
  -- Of these, how many fall under the description.
  failed_under INTEGER NOT NULL,
  -- Passed rows that were answered.
  passed INTEGER NOT NULL,
  -- Of these, how many fall under the description.
  passed_under INTEGER NOT NULL,
  -- Failed rows among them that had been diagnosed, for want of others.
  diagnosed INTEGER NOT NULL,
  -- Share of the validation rows that fail; NULL where it is untested.
  failing DOUBLE,
  -- Failure rate of rows that fall under it over that of the others; NULL where it is untested.
  lift DOUBLE,
  lift_low DOUBLE,
  lift_high DOUBLE,
  -- Share of the rows that fall under it that fail.
  precision DOUBLE,
  precision_low DOUBLE,
  precision_high DOUBLE,
  -- Share of the failing rows that fall under it.
  recall DOUBLE,
  recall_low DOUBLE,
  recall_high DOUBLE,
  -- Of Fisher's exact test (one-sided), adjusted for the number of patterns of the round (Benjamini-Hochberg).
  p DOUBLE
);

-- What the judge said of one validation row and one pattern's description.
CREATE TABLE pattern_test_row (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  example VARCHAR NOT NULL,
  -- held_out | not_sampled | diagnosed (in this round or an earlier one) | passed
  part VARCHAR NOT NULL,
  falls_under BOOLEAN NOT NULL,
  -- llm_call.id
  call VARCHAR NOT NULL
);

COMMENT ON COLUMN drawn_failure.part IS 'diagnose | held_out (never diagnosed) | not_sampled (beyond `patterns.diagnose`) | selection (in the part of validation that stops and chooses)';
