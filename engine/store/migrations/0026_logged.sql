-- Failures of logged traffic beside those of validation.

-- Where the failure is from: validation, train, or logged.
ALTER TABLE drawn_failure ADD COLUMN split VARCHAR DEFAULT 'validation';

COMMENT ON TABLE failure IS 'Predictions for which the recipe''s failure predicate holds (train and validation; test never), and logged outputs that are wrong or were rejected.';
COMMENT ON COLUMN example.target IS 'The right answer; empty for a logged row of which nobody knows it.';
