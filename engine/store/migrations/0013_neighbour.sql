-- What the gate `neighbours` measures is by how much a row is nearer to its own label; it was a share of neighbours.

COMMENT ON COLUMN verdict.neighbour IS 'Cosine similarity to the nearest training row of its label, minus that to the nearest of another.';
COMMENT ON COLUMN verdict.reason IS 'accepted, or the first gate that rejected it.';
