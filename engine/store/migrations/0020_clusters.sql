-- How stable clusters are. Diagnoses that belong to none stand in "drop" (stage 'cluster').

-- The cluster of diagnoses behind each pattern, round by round.
CREATE TABLE pattern_cluster (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  pattern VARCHAR NOT NULL,
  size INTEGER NOT NULL,
  -- Mean Jaccard index with the most alike cluster of each of several bootstrap samples, 0 to 1: below 0.6 no pattern, from 0.75 on stable; NULL for a single cluster, and for a category that SQL gives.
  stability DOUBLE
);

-- As of its cluster in this round (pattern_cluster).
ALTER TABLE pattern ADD COLUMN stability DOUBLE;
COMMENT ON COLUMN pattern.silhouette IS 'Mean silhouette of the members, -1 to 1, of very many of a sample; NULL for a single cluster.';
COMMENT ON COLUMN pattern_member.silhouette IS 'How much nearer to its own cluster than to the next, -1 to 1; NULL without a second cluster, and outside the sample that is taken of very many.';
COMMENT ON TABLE pattern_member IS 'Which failures belong to which pattern; those that belong to none stand in drop: noise, small_cluster, no_embedding.';

-- Each pattern in each round that found it, with its strategy and how it stands by now.
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
)
-- size: failures in it when this round found it
-- status: after the latest fine-tune that followed: mended, worse or unclear; found when none followed
-- members: failures ever counted to it, as of the latest tracking
-- failing: of these, how many still fail; a control mends some of them too
-- rows: validation rows that fall under it
-- effect: share of these that fail with the control minus the share that fails now; NULL where it cannot be told
-- tracked: round of that latest fine-tune
-- guard: why its texts were replaced by neutral ones; NULL when they were clean
-- stability: how far the cluster comes out again in bootstrap samples, 0 to 1; below 0.6 it is no pattern
SELECT r.run, t.seed, t.round, t.id AS pattern, t.name, t.category, t.size, t.description, s.strategy,
  CASE WHEN k.tracked > t.round THEN k.status ELSE 'found' END AS status,
  coalesce(k.before, t.size) AS members,
  CASE WHEN k.tracked > t.round THEN k.after ELSE t.size END AS failing,
  k.rows, k.latest.effect AS effect, k.latest.low AS low, k.latest.high AS high,
  k.tracked, t.silhouette, t.stability, t.guard
FROM pattern t
JOIN run_rows r USING (node)
LEFT JOIN s ON s.run = r.run AND s.seed = t.seed AND s.round = t.round AND s.pattern = t.id
LEFT JOIN k ON k.run = r.run AND k.seed = t.seed AND k.pattern = t.id;
