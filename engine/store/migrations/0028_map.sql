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

-- What each fine-tune saw: the original training rows, and the rows selected in earlier rounds, but for those kept out
-- since a round was rolled back.
CREATE OR REPLACE VIEW training_rows AS
WITH trained AS (
  SELECT DISTINCT run, seed, round FROM run_rows WHERE stage = 'train'
), t AS (
  FROM trained
  UNION
  SELECT run, seed, round + 1 FROM run_rows r WHERE stage = 'select'
    AND NOT EXISTS (FROM trained WHERE trained.run = r.run AND trained.seed = r.seed)
), b AS (
  SELECT r.run, d.seed, d.round, d.best_round FROM decision d JOIN run_rows r USING (node) WHERE d.rolled_back
), o AS (
  SELECT t.*, r.node, r.made_by FROM t JOIN run_rows r USING (run) WHERE r.stage = 'load'
), g AS (
  SELECT t.*, r.part, r.round AS made_in FROM t JOIN run_part r ON r.run = t.run AND r.seed = t.seed AND r.round < t.round
  WHERE r.kind = 'candidates' AND NOT EXISTS (
    FROM b WHERE b.run = t.run AND b.seed = t.seed AND b.round < t.round AND b.best_round <= r.round AND r.round < b.round
  )
)
-- round: of the fine-tune; 0 for the one that happens elsewhere with `train: {method: none}`
-- origin: original or generated
-- made_in: the round that generated it; NULL for original rows
-- source: file of an original row
SELECT o.run, o.seed, o.round, 'original' AS origin, e.id AS example, e.inputs, e.target, e.source, e.line,
  NULL::INTEGER AS made_in, NULL::VARCHAR AS candidate, NULL::VARCHAR AS parent, NULL::VARCHAR AS pattern,
  NULL::VARCHAR AS operator
FROM example e JOIN o ON o.node = e.node AND o.made_by = e.run WHERE e.split = 'train'
UNION ALL
SELECT g.run, g.seed, g.round, 'generated', c.example, c.inputs, c.target, NULL, NULL, g.made_in, c.candidate, c.parent,
  c.pattern, c.operator
FROM flat_candidate c JOIN g USING (part) WHERE c.example IS NOT NULL;

-- What calls took, by the pattern that they were for: ask the view `pattern_price`.
CREATE TABLE flat_price (
  part INTEGER NOT NULL, pattern VARCHAR NOT NULL, place INTEGER NOT NULL, what VARCHAR NOT NULL, calls BIGINT NOT NULL,
  tokens DOUBLE NOT NULL, unmetered BIGINT NOT NULL, cost DOUBLE, unpriced BIGINT NOT NULL
);

-- What each pattern took in calls, round by round. A call for several diagnoses, rows or patterns is split evenly among
-- these; one whose reply an earlier round had is counted there.
CREATE OR REPLACE VIEW pattern_price AS
-- place: sorts the rows
-- what: diagnosing, naming, testing, drafting (strategies), generating, verifying (blind answers) or judging
-- calls: that had a part in it, whichever run made them
-- tokens: of prompts and replies
-- unmetered: of the calls, those whose tokens are not known
-- cost: for the calls whose cost is known; NULL where none is
-- unpriced: calls of unknown cost
SELECT r.run, r.seed, r.round, f.pattern, f.place, f.what, f.calls, f.tokens, f.unmetered, f.cost, f.unpriced
FROM flat_price f JOIN run_part r USING (part);

COMMENT ON COLUMN flat_part.kind IS 'failures | confusion | candidates | prices: which flat tables have its rows';
