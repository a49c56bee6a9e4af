-- What a strong teacher says of failures, patterns, strategies and rows.

-- Words of the row that show it, as quoted by the teacher and found there.
ALTER TABLE diagnosis ADD COLUMN evidence VARCHAR DEFAULT '';
ALTER TABLE diagnosis ADD COLUMN reasoning VARCHAR DEFAULT '';
-- What the student would have to be able to do.
ALTER TABLE diagnosis ADD COLUMN skill VARCHAR DEFAULT '';
-- Of the taxonomy, as the teacher sorts this failure.
ALTER TABLE diagnosis ADD COLUMN category VARCHAR;
-- Whether the teacher takes the right answer for wrong; then the row is in label_suspect too.
ALTER TABLE diagnosis ADD COLUMN suspect BOOLEAN DEFAULT false;
-- Whether training rows could mend it.
ALTER TABLE diagnosis ADD COLUMN mendable BOOLEAN DEFAULT true;
-- How sure the teacher is, 1 to 5.
ALTER TABLE diagnosis ADD COLUMN confidence INTEGER;

-- Rows whose given answer may be wrong, by the teacher's diagnosis: worth a look by hand.
CREATE TABLE label_suspect (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  split VARCHAR NOT NULL,
  -- The answer that the data give.
  target VARCHAR NOT NULL,
  -- What the student answered.
  answer VARCHAR,
  reason VARCHAR NOT NULL,
  -- How sure the teacher is, 1 to 5.
  confidence INTEGER,
  -- llm_call.id
  call VARCHAR NOT NULL
);

-- What falls under the pattern, in a few words each.
ALTER TABLE pattern ADD COLUMN includes VARCHAR[] DEFAULT [];
-- What looks like it and does not fall under it.
ALTER TABLE pattern ADD COLUMN excludes VARCHAR[] DEFAULT [];
-- Whether its diagnoses are of one kind, as the teacher sees them; NULL where it was not asked.
ALTER TABLE pattern ADD COLUMN coherent BOOLEAN;

-- What every row must have, and must not have.
ALTER TABLE strategy ADD COLUMN must VARCHAR[] DEFAULT [];
ALTER TABLE strategy ADD COLUMN must_not VARCHAR[] DEFAULT [];
-- What varies from row to row: name -> list of values.
ALTER TABLE strategy ADD COLUMN attributes JSON DEFAULT '{}';
-- Observed confusions to write rows for: right and wrong (labels), and share.
ALTER TABLE strategy ADD COLUMN pairs JSON DEFAULT '[]';
-- Operator -> its share of the rows; empty where the teacher leaves it open.
ALTER TABLE strategy ADD COLUMN operators JSON DEFAULT '{}';
-- easy, medium, hard -> their shares.
ALTER TABLE strategy ADD COLUMN difficulty JSON DEFAULT '{}';

-- How its writer came to the target, where that is derived.
ALTER TABLE candidate ADD COLUMN rationale VARCHAR DEFAULT '';
-- What was asked of this row: name -> value.
ALTER TABLE candidate ADD COLUMN attributes JSON DEFAULT '{}';
-- The training examples that its writer was shown.
ALTER TABLE candidate ADD COLUMN seeds VARCHAR[] DEFAULT [];

-- Gate that only advises -> what it would have rejected the row for.
ALTER TABLE verdict ADD COLUMN advice JSON DEFAULT '{}';
-- Share of the blind answers that came to the row's target; NULL where none were asked for.
ALTER TABLE verdict ADD COLUMN agreement DOUBLE;
-- What the judge says of the target: yes, no or ambiguous.
ALTER TABLE verdict ADD COLUMN label_correct VARCHAR;
-- The judge's score, 1 to 5.
ALTER TABLE verdict ADD COLUMN naturalness INTEGER;
