-- Segments of the spool whose rows are in the tables, until the segment's file is gone.
ALTER TABLE fold RENAME TO ingest;
