-- The view over failures says what it shows of a log.

-- Every failure (train, validation and logged) with the row, the answer given, the diagnosis and the pattern it belongs
-- to. Of a logged row, rounds up to 0 show what was logged, later ones what their student says, where it can be asked.
CREATE OR REPLACE VIEW failures AS
-- inputs: the columns that the student sees
-- columns: the source's other columns
-- prediction: what the student said, or the log has, whole
-- answer: what was read from it; NULL when nothing could be
-- status: ok, unparsable or backend_failed
-- predicate: the recipe's condition that made it a failure, or thumb_down
-- pattern: pattern.id; NULL for failures that were not diagnosed, and for those on training rows
SELECT r.run, r.seed, r.round, f.split, f.example, f.inputs, f.target, f.answer, f.prediction, f.status,
  f.confidence, f.predicate, f.root_cause, f.scenario, f.pattern, f.pattern_name, f.category, f.columns
FROM flat_failure f JOIN run_part r USING (part);
