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

-- Each pattern in each round that found it, with its test, its strategy and how it stands by now.
CREATE OR REPLACE VIEW failure_patterns AS
WITH s AS (
  SELECT r.run, t.seed, t.round, t.pattern, string_agg(t.text, chr(10) ORDER BY t.id) AS strategy
  FROM strategy t JOIN run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.seed, t.pattern, max(t.round) AS tracked, arg_max(t.status, t.round) AS status,
    arg_max(t.before, t.round) AS before, arg_max(t.after, t.round) AS after,
    arg_max(t.rows, t.round) AS rows,
    -- Not arg_max of each: that passes over NULL.
    arg_max({'effect': t.effect, 'low': t.low, 'high': t.high}, t.round) AS latest
  FROM pattern_status t JOIN run_rows r USING (node) GROUP BY ALL
), c AS (
  SELECT r.run, t.* EXCLUDE (run) FROM pattern_test t JOIN run_rows r USING (node)
)
-- size: failures in it when this round found it
-- status: after the latest fine-tune that followed: mended, worse or unclear; found when none followed
-- members: failures ever counted to it, as of the latest tracking
-- failing: of these, how many still fail; a control mends some of them too
-- rows: validation rows that fall under it
-- effect: share of these that fail with the control minus the share that fails now; NULL where it cannot be told
-- tracked: round of that latest fine-tune
-- split_from: the cluster that it is a part of, where the teacher split one; else NULL
-- verdict: confirmed, weak, refuted or untested: whether it is real; NULL where patterns are not tested
-- funded: whether rows are written against it
-- lift: failure rate of rows that fall under its description over that of the others; NULL where it is untested
-- precision: share of the rows that fall under it that fail
-- recall: share of the failing rows that fall under it
-- guard: why its texts were replaced by neutral ones; NULL when they were clean
-- stability: how far the cluster comes out again in bootstrap samples, 0 to 1; below 0.6 it is no pattern
SELECT r.run, t.seed, t.round, t.id AS pattern, t.name, t.category, t.size, t.description, s.strategy,
  CASE WHEN k.tracked > t.round THEN k.status ELSE 'found' END AS status,
  coalesce(k.before, t.size) AS members,
  CASE WHEN k.tracked > t.round THEN k.after ELSE t.size END AS failing,
  k.rows, k.latest.effect AS effect, k.latest.low AS low, k.latest.high AS high,
  k.tracked, t.silhouette, t.stability, t.guard, t.split_from, c.verdict, coalesce(c.funded, true) AS funded,
  c.lift, c.lift_low, c.lift_high, c.precision, c.precision_low, c.precision_high, c.recall, c.recall_low,
  c.recall_high
FROM pattern t
JOIN run_rows r USING (node)
LEFT JOIN s ON s.run = r.run AND s.seed = t.seed AND s.round = t.round AND s.pattern = t.id
LEFT JOIN k ON k.run = r.run AND k.seed = t.seed AND k.pattern = t.id
LEFT JOIN c ON c.run = r.run AND c.seed = t.seed AND c.round = t.round AND c.pattern = t.id;
