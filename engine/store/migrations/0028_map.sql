-- Where diagnoses lie on a map, rounds that are rolled back, and what patterns took.

-- The two directions in which the embeddings of a seed's first diagnoses differ most: the axes of its map.
CREATE TABLE map_axis (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- 1 or 2.
  axis INTEGER NOT NULL,
  -- Of unit length.
  direction DOUBLE[] NOT NULL,
  -- The mean of these diagnoses along it: a coordinate is the product of an embedding with the direction, less this.
  centre DOUBLE NOT NULL
);

-- Where each diagnosis lies on the map of its seed.
CREATE TABLE diagnosis_place (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- diagnosis.id
  diagnosis VARCHAR NOT NULL,
  x DOUBLE NOT NULL,
  y DOUBLE NOT NULL
);

-- Whether the round broke too much: the loop goes back to best_round, and rows that came after it are kept out of training.
ALTER TABLE decision ADD COLUMN rolled_back BOOLEAN DEFAULT FALSE;

-- What calls took, by the pattern that they were for: ask the view `pattern_price`.
CREATE TABLE flat_price (
  part INTEGER NOT NULL, pattern VARCHAR NOT NULL, place INTEGER NOT NULL, what VARCHAR NOT NULL, calls BIGINT NOT NULL,
  tokens DOUBLE NOT NULL, unmetered BIGINT NOT NULL, cost DOUBLE, unpriced BIGINT NOT NULL
);

COMMENT ON COLUMN flat_part.kind IS 'failures | confusion | candidates | prices: which flat tables have its rows';
