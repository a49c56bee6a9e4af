-- What the namer's splits of clusters come to; proposed categories laid flat (decision 19).

-- Names that a round's diagnoses propose as categories: ask the view `proposed_categories`.
CREATE TABLE flat_proposal (
  part INTEGER NOT NULL, name VARCHAR NOT NULL, example VARCHAR NOT NULL, scenario VARCHAR NOT NULL
);

COMMENT ON COLUMN pattern_link.kind IS 'continued | split (most members come from the parent, which another cluster continues) | merged (the parent''s members went into this pattern) | part (the namer split the parent, a cluster of the same round)';
COMMENT ON COLUMN pattern_link.parent IS 'The earlier pattern, the same where it is continued; of a part the cluster.';
ALTER TABLE pattern_link ALTER threshold DROP NOT NULL;
COMMENT ON COLUMN pattern_link.threshold IS 'Similarity from which this cluster continues a pattern by its embedding alone; NULL for a part.';

ALTER TABLE flat_candidate ADD COLUMN split_from VARCHAR;
