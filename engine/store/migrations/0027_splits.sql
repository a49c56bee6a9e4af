-- What the namer's splits of clusters come to; proposed categories laid flat (decision 19).

-- Names that a round's diagnoses propose as categories: ask the view `proposed_categories`.
CREATE TABLE flat_proposal (
  part INTEGER NOT NULL, name VARCHAR NOT NULL, example VARCHAR NOT NULL, scenario VARCHAR NOT NULL
);

-- What could become a category of the taxonomy (`pada patterns adopt`): names that diagnoses propose, all seeds and
-- rounds of a run together, and patterns for which no category fits. What SQL assigns to a category does not count.
CREATE OR REPLACE VIEW proposed_categories AS
WITH d AS (
  SELECT r.run, lower(f.name) AS kind, f.name, f.example, f.scenario FROM flat_proposal f JOIN run_part r USING (part)
), n AS (
  SELECT run, kind, arg_min(name, (-times, name)) AS name
  FROM (SELECT run, kind, name, count(*) AS times FROM d GROUP BY ALL) GROUP BY ALL
), s AS (
  SELECT run, kind, arg_min(scenario, (-times, scenario)) AS scenario
  FROM (SELECT run, kind, scenario, count(*) AS times FROM d GROUP BY ALL) GROUP BY ALL
), c AS (
  SELECT run, kind, count(*) AS failures FROM (SELECT DISTINCT run, kind, example FROM d) GROUP BY ALL
), p AS (
  SELECT r.run, t.name, t.size, t.description FROM pattern t JOIN run_rows r USING (node)
  WHERE coalesce(t.category, 'other') = 'other' AND NOT starts_with(t.id, 'category:')
)
-- name: as most of its diagnoses write it; a pattern's name
-- source: diagnosis or pattern
-- failures: that were diagnosed so; members of the pattern, in the round with the most
-- description: the scenario that most of its diagnoses give; a pattern's description
SELECT run, n.name, 'diagnosis' AS source, c.failures, s.scenario AS description
FROM c JOIN n USING (run, kind) JOIN s USING (run, kind)
UNION ALL
SELECT run, name, 'pattern', max(size), arg_max(description, size) FROM p GROUP BY run, name;

COMMENT ON COLUMN pattern_link.kind IS 'continued | split (most members come from the parent, which another cluster continues) | merged (the parent''s members went into this pattern) | part (the namer split the parent, a cluster of the same round)';
COMMENT ON COLUMN pattern_link.parent IS 'The earlier pattern, the same where it is continued; of a part the cluster.';
ALTER TABLE pattern_link ALTER threshold DROP NOT NULL;
COMMENT ON COLUMN pattern_link.threshold IS 'Similarity from which this cluster continues a pattern by its embedding alone; NULL for a part.';

-- The life of each pattern, round by round: how many of the rows that fall under it fail, beside the control, and which
-- other patterns it came from. Words other than new, split and merged are said where a test against the control says so.
CREATE OR REPLACE VIEW pattern_life AS
WITH f AS (
  SELECT r.run, t.seed, t.round, t.id AS pattern, t.name, t.category, t.size,
    min(t.round) OVER (PARTITION BY r.run, t.seed, t.id) AS first
  FROM pattern t JOIN run_rows r USING (node)
), l AS (
  SELECT r.run, t.seed, t.round, t.pattern, list(t.parent ORDER BY t.position) FILTER (t.kind = 'split') AS split_from,
    list(t.parent ORDER BY t.position) FILTER (t.kind = 'merged') AS merged,
    any_value(t.parent) FILTER (t.kind = 'part') AS part_of
  FROM pattern_link t JOIN run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.* EXCLUDE (node, run, position) FROM pattern_status t JOIN run_rows r USING (node)
), n AS (
  SELECT run, seed, pattern, arg_min(name, round) AS name, arg_min(category, round) AS category FROM f GROUP BY ALL
)
-- life: new in the round that found it first (split where it came from another); then open, shrinking, fixed, regressed, split, merged or unclear
-- found: failures that this round's clustering put into it; NULL when the round did not find it
-- split_from: the pattern that most members of this new one come from
-- merged: patterns that went into this one in this round
-- rows: validation rows that fall under it
-- failed: of these, failed when it was found
-- failing: of these, fail after this round's fine-tune
-- rate: their share, with its interval (rate_low, rate_high); NULL under 20 rows
-- control_failing: with the control; NULL without one
-- held_out: of these rows, failed and never diagnosed
-- held_out_mended: of the held-out ones, right in this round
-- control_held_out_mended: the same with the control; NULL without one
-- effect: share of the rows that fails with the control minus the share that fails now; NULL where it cannot be told
-- part_of: the cluster of this round that its namer split, of which it is a part; its other parts have the same
SELECT h.run, h.seed, h.pattern, n.name, n.category, h.round,
  CASE WHEN h.life IS NOT NULL THEN h.life WHEN len(l.split_from) > 0 THEN 'split' WHEN h.round = h.first THEN 'new'
    ELSE 'unclear' END AS life,
  h.found, l.split_from[1] AS split_from, coalesce(l.merged, []) AS merged, h.rows, h.failed, h.failing, h.rate,
  h.rate_low, h.rate_high, h.control_failing, h.held_out, h.held_out_mended, h.control_held_out_mended, h.effect,
  h.low, h.high, l.part_of
FROM (
  SELECT coalesce(f.run, k.run) AS run, coalesce(f.seed, k.seed) AS seed, coalesce(f.round, k.round) AS round,
    coalesce(f.pattern, k.pattern) AS pattern, f.size AS found, f.first, k.life, k.rows, k.failed, k.failing, k.rate,
    k.rate_low, k.rate_high, k.control_failing, k.held_out, k.held_out_mended, k.control_held_out_mended, k.effect,
    k.low, k.high
  FROM f FULL JOIN k ON k.run = f.run AND k.seed = f.seed AND k.round = f.round AND k.pattern = f.pattern
) h
LEFT JOIN n ON n.run = h.run AND n.seed = h.seed AND n.pattern = h.pattern
LEFT JOIN l ON l.run = h.run AND l.seed = h.seed AND l.round = h.round AND l.pattern = h.pattern;

ALTER TABLE flat_candidate ADD COLUMN split_from VARCHAR;
