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
