-- A recipe that is gone on with has several runs, and what later ones took over stands in the views under each of them.

-- The last run of each recipe: `… JOIN last_runs USING (run)` counts nothing twice that several runs of it share.
CREATE OR REPLACE VIEW last_runs AS
-- recipe: its name
SELECT arg_max(u.id, u.started) AS run, c.name AS recipe FROM run u JOIN recipe c ON c.id = u.recipe GROUP BY c.name;
