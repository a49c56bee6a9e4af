-- Calls for plain text: a student behind a server is asked as it will be used.

COMMENT ON TABLE llm_call IS 'The ledger: every reply of a model that is asked in calls. Usable replies (error IS NULL) are served again, never paid twice.';
ALTER TABLE llm_call ALTER schema DROP NOT NULL;
COMMENT ON COLUMN llm_call.schema IS 'JSON Schema of the reply, as sent; NULL where plain text was asked for.';
COMMENT ON COLUMN llm_call.role IS 'teacher | judge | student (a student behind a server; one on this machine makes no calls)';

-- What each fine-tune saw: the original training rows, and the rows selected in earlier rounds.
CREATE OR REPLACE VIEW training_rows AS
WITH trained AS (
  SELECT DISTINCT run, seed, round FROM run_rows WHERE stage = 'train'
), t AS (
  FROM trained
  UNION
  SELECT run, seed, round + 1 FROM run_rows r WHERE stage = 'select'
    AND NOT EXISTS (FROM trained WHERE trained.run = r.run AND trained.seed = r.seed)
), o AS (
  SELECT r.run, e.id, e.inputs, e.target, e.source, e.line
  FROM example e JOIN run_rows r USING (node) WHERE r.stage = 'load' AND e.split = 'train'
), g AS (
  SELECT r.run, e.seed, e.round, e.id, e.inputs, e.target, s.candidate, c.parent, c.pattern, c.operator
  FROM example e
  JOIN run_rows r USING (node)
  JOIN selected s ON s.node = e.node AND s.example = e.id
  LEFT JOIN (SELECT c.*, q.run AS looked_at FROM candidate c JOIN run_rows q USING (node)) c
    ON c.looked_at = r.run AND c.seed = e.seed AND c.round = e.round AND c.id = s.candidate
)
-- round: of the fine-tune; 0 for the one that happens elsewhere with `train: {method: none}`
-- origin: original or generated
-- made_in: the round that generated it; NULL for original rows
-- source: file of an original row
SELECT t.run, t.seed, t.round, 'original' AS origin, o.id AS example, o.inputs, o.target, o.source, o.line,
  NULL::INTEGER AS made_in, NULL::VARCHAR AS candidate, NULL::VARCHAR AS parent, NULL::VARCHAR AS pattern,
  NULL::VARCHAR AS operator
FROM t JOIN o USING (run)
UNION ALL
SELECT t.run, t.seed, t.round, 'generated', g.id, g.inputs, g.target, NULL, NULL, g.round, g.candidate, g.parent,
  g.pattern, g.operator
FROM t JOIN g ON g.run = t.run AND g.seed = t.seed AND g.round < t.round;
