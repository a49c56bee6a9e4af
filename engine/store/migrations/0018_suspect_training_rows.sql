-- What the judge says of training rows whose own answer it takes for wrong.

-- What the judge would answer to the row; NULL where it says that no answer fits, or nothing usable.
ALTER TABLE judge_anchor ADD COLUMN answer VARCHAR;
-- Whether the judge takes the answer in the data for wrong; where it decides, the row is in label_suspect too.
ALTER TABLE judge_anchor ADD COLUMN suspect BOOLEAN DEFAULT false;
-- Anchors with their own answer that are not counted, because that answer is probably wrong.
ALTER TABLE judge_calibration ADD COLUMN left_out INTEGER DEFAULT 0;

COMMENT ON TABLE label_suspect IS 'Rows whose given answer may be wrong: validation rows by the teacher''s diagnosis, training rows by the judge''s calibration; worth a look by hand.';
COMMENT ON COLUMN label_suspect.answer IS 'What the student answered; of a training row what the judge answers, NULL where it says that no answer fits.';
COMMENT ON COLUMN label_suspect.confidence IS 'How sure the teacher is, 1 to 5; NULL where the judge says it.';
COMMENT ON COLUMN verification.answer IS 'In the form in which answers are read; NULL where it could not be read, or where it says that no answer fits.';
COMMENT ON COLUMN verification.detail IS 'What the program found; of a blind answer that no answer fits, else empty.';
