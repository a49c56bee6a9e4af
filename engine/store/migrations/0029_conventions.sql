-- Rules for rows of some labels, and rules of annotation.

-- `must`, `must_not` -> rule -> the labels whose rows it is for; one that is not here is for every row.
ALTER TABLE strategy ADD COLUMN rule_labels JSON DEFAULT '{}';

-- A rule of annotation that the right answer follows and the task does not tell, as the teacher states it; else empty.
ALTER TABLE diagnosis ADD COLUMN convention VARCHAR DEFAULT '';

-- Rules of annotation that right answers show and the task does not tell, as diagnoses state them: writers, blind
-- answers and the judge are told these. They quote no evaluation row.
CREATE TABLE convention (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  id VARCHAR NOT NULL,
  text VARCHAR NOT NULL,
  -- Whose diagnoses state it, in the round in which it was stated first.
  failures INTEGER NOT NULL,
  -- The first call that states it.
  call VARCHAR NOT NULL
);
