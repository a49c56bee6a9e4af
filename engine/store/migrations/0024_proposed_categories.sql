-- Names that the teacher gives to what no category of the taxonomy fits.

-- A name of its own for this kind of mistake, where the taxonomy is open or no category fits; NULL where one fits.
ALTER TABLE diagnosis ADD COLUMN proposed VARCHAR;

-- What could become a category of the taxonomy (`pada patterns adopt`): names that diagnoses propose, all seeds and
-- rounds of a run together, and patterns for which no category fits. What SQL assigns to a category does not count.
CREATE OR REPLACE VIEW proposed_categories AS
WITH m AS (
  SELECT DISTINCT r.run, t.diagnosis AS id FROM pattern_member t JOIN run_rows r ON r.node = t.node AND r.made_by = t.run
  WHERE starts_with(t.pattern, 'category:')
), d AS (
  SELECT r.run, t.id, trim(t.proposed) AS name, t.example, t.scenario
  FROM diagnosis t JOIN run_rows r ON r.node = t.node AND r.made_by = t.run
  WHERE trim(t.proposed) <> '' AND t.mendable AND NOT t.suspect
), p AS (
  SELECT r.run, t.name, t.size, t.description FROM pattern t JOIN run_rows r USING (node)
  WHERE coalesce(t.category, 'other') = 'other' AND NOT starts_with(t.id, 'category:')
)
-- name: as most of its diagnoses write it; a pattern's name
-- source: diagnosis or pattern
-- failures: that were diagnosed so; members of the pattern, in the round with the most
-- description: the scenario that most of its diagnoses give; a pattern's description
SELECT run, mode(name ORDER BY name) AS name, 'diagnosis' AS source, count(DISTINCT example) AS failures,
  mode(scenario ORDER BY scenario) AS description
FROM d ANTI JOIN m USING (run, id) GROUP BY run, lower(name)
UNION ALL
SELECT run, name, 'pattern', max(size), arg_max(description, size) FROM p GROUP BY run, name;
