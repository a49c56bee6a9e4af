-- What the gates, the blind answers and the judge's calibration say of generated rows.

-- What the gates say of each candidate, before anybody is asked about it.
CREATE TABLE gating (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  candidate VARCHAR NOT NULL,
  -- The first gate that rejects it; empty for a candidate that passes them all.
  reason VARCHAR NOT NULL,
  detail VARCHAR NOT NULL,
  -- What the next attempt is told.
  feedback VARCHAR NOT NULL,
  -- Gate that only advises -> what it would have rejected the row for.
  advice JSON NOT NULL,
  -- What the gates measured: name -> number.
  numbers JSON NOT NULL
);

-- Answers to generated rows by somebody who did not see their targets, and what a program finds wrong in a target.
CREATE TABLE verification (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  candidate VARCHAR NOT NULL,
  -- From 1; 0 is the program's.
  sample INTEGER NOT NULL,
  -- In the form in which answers are read; NULL where it could not be read.
  answer VARCHAR,
  -- The second likeliest answer, where there are a few to choose from.
  second VARCHAR,
  -- How far the answer agrees with the target, 0 to 1.
  agrees DOUBLE NOT NULL,
  -- blind | program
  how VARCHAR NOT NULL,
  -- What the program found; empty for a blind answer.
  detail VARCHAR NOT NULL,
  -- llm_call.id; NULL for the program.
  call VARCHAR
);

-- Training rows that the judge was shown among the candidates without being told: half of them with a wrong answer.
CREATE TABLE judge_anchor (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  example VARCHAR NOT NULL,
  -- Whether the row was shown with its own answer.
  is_right BOOLEAN NOT NULL,
  -- The answer that it was shown with.
  target VARCHAR NOT NULL,
  -- yes, no or ambiguous, as the judge has it; NULL where its reply leaves the row out.
  label_correct VARCHAR,
  -- Whether the judge would have let it pass; NULL where its reply leaves the row out.
  passed BOOLEAN,
  -- llm_call.id
  call VARCHAR NOT NULL
);

-- How well the judge tells right answers from wrong ones, by the anchors, and whether it decides.
CREATE TABLE judge_calibration (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- Anchors with their own answer that were judged, and those with a wrong one.
  n_right INTEGER NOT NULL, n_wrong INTEGER NOT NULL,
  -- Share of the right ones that pass; NULL without any.
  sensitivity DOUBLE,
  -- Share of the wrong ones that do not; NULL without any.
  specificity DOUBLE,
  -- Mean of the two, with its 95 % interval.
  balanced_accuracy DOUBLE, low DOUBLE, high DOUBLE,
  -- What `low` must exceed.
  threshold DOUBLE NOT NULL,
  decides BOOLEAN NOT NULL,
  -- Why, in words.
  reason VARCHAR NOT NULL
);
