-- A row that broke says the pattern it falls under, so that nobody joins it to all rows of patterns.
-- That it falls under, of any earlier round; the first by id where there are several, NULL where none.
ALTER TABLE regression ADD COLUMN pattern VARCHAR;

-- The rows that flipped: right in round 0, wrong in a later round, or with the control.
CREATE OR REPLACE VIEW broken_rows AS
WITH e AS (
  -- Few rows break, so they are looked for before anything is gathered.
  SELECT r.run, t.id, any_value(t.inputs) AS inputs, any_value(t.target) AS target
  FROM example t JOIN run_rows r USING (node)
  WHERE r.stage = 'load' AND t.split = 'validation' AND t.id IN (SELECT example FROM regression) GROUP BY ALL
)
-- fails: wrong in this round
-- control_fails: wrong with the control; NULL without one
-- pattern: that the row falls under, of any earlier round; NULL where none
SELECT r.run, t.seed, t.round, t.example, e.inputs, e.target, t.fails, t.control_fails, t.pattern
FROM regression t JOIN run_rows r USING (node)
LEFT JOIN e ON e.run = r.run AND e.id = t.example;
