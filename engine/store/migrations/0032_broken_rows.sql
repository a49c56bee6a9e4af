-- A row that broke says the pattern it falls under, so that nobody joins it to all rows of patterns.
-- That it falls under, of any earlier round; the first by id where there are several, NULL where none.
ALTER TABLE regression ADD COLUMN pattern VARCHAR;
