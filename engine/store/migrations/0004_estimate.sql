-- What a run was expected to take, to stand beside what it took.

-- Written when the run began, for what was not done yet, as JSON: calls, tokens, money, minutes, each [least, most] or
-- null where it was not known; steps; unpriced, the roles whose price was not known. NULL for runs of earlier engines.
ALTER TABLE run ADD COLUMN estimate JSON;
