-- Names that the teacher gives to what no category of the taxonomy fits.

-- A name of its own for this kind of mistake, where the taxonomy is open or no category fits; NULL where one fits.
ALTER TABLE diagnosis ADD COLUMN proposed VARCHAR;
