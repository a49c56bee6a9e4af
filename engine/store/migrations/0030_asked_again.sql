-- Logged rows whose right answer is known are asked again in every round.

-- Logged rows that round 0 has right; NULL without a log whose right answers are known. They decide nothing.
ALTER TABLE regression_suite ADD COLUMN logged INTEGER;
-- Of these, wrong in this round.
ALTER TABLE regression_suite ADD COLUMN logged_broken INTEGER;
-- Of these, wrong with the control; NULL without one.
ALTER TABLE regression_suite ADD COLUMN logged_control_broken INTEGER;

COMMENT ON TABLE failure IS 'Predictions for which the recipe''s failure predicate holds (train, validation, and logged rows that are asked again; test never), and logged outputs that are wrong or were rejected.';
