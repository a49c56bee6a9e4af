-- What was noticed of a recipe and its rows before its run began, so that it stands beside what came of it.

-- Warnings of the check when the run began or last went on, as JSON: file, line, column, code, message, hint. NULL where an earlier engine made the run.
ALTER TABLE provenance ADD COLUMN warnings JSON;
