-- The other side of a pattern and its kinds of rows, where a strategy names them; calls about adherence.

-- Where targets are no labels: what rows look like that are near the pattern and that the student gets right; a share of
-- the rows is written for it and not for the rest of the strategy. Empty where there is none.
ALTER TABLE strategy ADD COLUMN contrast VARCHAR DEFAULT '';
-- Of the rows against the pattern, 0 to 1.
ALTER TABLE strategy ADD COLUMN contrast_share DOUBLE DEFAULT 0;
-- Kinds of rows, of which each row is one: list of {name, description, share, labels}; shares sum to 1; without labels a
-- kind is for rows of every label.
ALTER TABLE strategy ADD COLUMN kinds JSON DEFAULT '[]';

-- The call in which adherence to the strategy was asked apart; NULL where it was not.
ALTER TABLE verdict ADD COLUMN adherence_call VARCHAR;

COMMENT ON COLUMN candidate.attributes IS 'What was asked of this row: name -> value; near: the label that it may be mistaken for; kind: of the kinds of its strategy; side: contrast, where it is for the other side of the pattern.';
