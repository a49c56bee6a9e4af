-- What people say of rows.

-- Each verdict of a person on a row, and each that takes one back: rows are added, never changed and never removed.
CREATE TABLE review (
  id VARCHAR PRIMARY KEY,
  -- Name of the recipe whose rows were reviewed.
  recipe VARCHAR NOT NULL,
  -- The run in which the row was looked at.
  run VARCHAR NOT NULL,
  -- UTC.
  made TIMESTAMP NOT NULL,
  reviewer VARCHAR NOT NULL,
  -- candidates, suspect, disagreement, pool or conflicts.
  queue VARCHAR NOT NULL,
  -- candidate, or a row of the data: train, validation.
  subject VARCHAR NOT NULL,
  -- Hash of the row's inputs and target: the same row has it in every run, seed and round.
  example VARCHAR NOT NULL,
  -- One candidate that is this row; NULL for rows of the data.
  candidate VARCHAR,
  -- accept, reject, edit, relabel; undo takes back the verdict that `undoes` names.
  verdict VARCHAR NOT NULL,
  -- Of a rejection: wrong, unclear, unnatural, off_task, repeats or other; else empty.
  reason VARCHAR NOT NULL,
  note VARCHAR NOT NULL,
  -- The row as it was.
  inputs JSON NOT NULL,
  target VARCHAR NOT NULL,
  -- Hash of the row that it is changed into; NULL where it is not changed.
  new_example VARCHAR,
  new_inputs JSON,
  new_target VARCHAR,
  -- Seed and round of each place where the row was a candidate then: `[[0, 1]]`.
  places JSON NOT NULL,
  -- Whether it changes what was trained on; an accepted row that was trained on already stays as it was.
  changes BOOLEAN NOT NULL,
  -- Whether it ends a disagreement: then it alone counts.
  resolves BOOLEAN NOT NULL,
  -- review.id
  undoes VARCHAR,
  -- Hash of the model and the prompts of the judge that said something of the row; NULL where none did.
  judge VARCHAR,
  -- Whether that judge takes the target for right.
  judge_passes BOOLEAN,
  -- Share of the rows judged in that run of which it does.
  judge_share DOUBLE
);

-- What became of rows by people's verdicts, in the steps that put training rows together: mend (rows of the data) and
-- select (candidates).
CREATE TABLE reviewed (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- The candidate; of a row of the data its example, or the row that an earlier verdict made of it.
  item VARCHAR NOT NULL,
  -- The training row that it is then; NULL for one that is left out.
  example VARCHAR,
  -- accept, reject, edit or relabel.
  verdict VARCHAR NOT NULL,
  -- As the row is then.
  inputs JSON NOT NULL,
  target VARCHAR NOT NULL,
  -- Why the verdict could not be followed: the row is none of the task, or would give away an evaluation row. Empty
  -- where it was followed.
  refused VARCHAR NOT NULL
);

-- Whether people's verdicts on rows that the judge had judged stand in for training rows.
ALTER TABLE judge_calibration ADD COLUMN by_people BOOLEAN DEFAULT false;

-- What a person said of it where that was followed: accept, reject, edit or relabel.
ALTER TABLE flat_candidate ADD COLUMN person VARCHAR;
-- As a person changed it.
ALTER TABLE flat_candidate ADD COLUMN person_inputs JSON;
ALTER TABLE flat_candidate ADD COLUMN person_target VARCHAR;

-- What people said of rows, in the order in which they did: `run` is the one in which the row was looked at.
CREATE OR REPLACE VIEW all_reviews AS
-- made: UTC
-- subject: candidate, or a row of the data: train, validation
-- example: hash of the row's inputs and target
-- verdict: accept, reject, edit, relabel or undo
-- new_example: the row that it is changed into; NULL where it is not changed
-- changes: whether it changes what was trained on
-- resolves: whether it ends a disagreement
-- stands: whether it is that reviewer's last word on the row
WITH v AS (
  SELECT r.*, r.verdict <> 'undo' AND u.undoes IS NULL AS kept
  FROM review r LEFT JOIN (SELECT DISTINCT undoes FROM review WHERE undoes IS NOT NULL) u ON u.undoes = r.id
)
SELECT run, recipe, made, reviewer, queue, subject, example, candidate, verdict, reason, note, inputs, target,
  new_example, new_inputs, new_target, places, changes, resolves,
  kept AND row_number() OVER (
    PARTITION BY recipe, subject, example, reviewer, kept ORDER BY made DESC, id DESC
  ) = 1 AS stands,
  id, undoes, judge, judge_passes, judge_share
FROM v ORDER BY made, id;

-- What people's verdicts on each row, as a candidate or as a row of the data, come to: what most of those say who
-- reviewed it (of two, both), or what ends their disagreement.
CREATE OR REPLACE VIEW review_outcomes AS
-- verdict: accept, reject, edit or relabel; conflict where it is not settled
-- reason: of a rejection, what more than half of those say who reject it, or whoever ends a disagreement; else empty
-- new_example: the row as it is to be trained on, the same as `example` where it is accepted; NULL where it is left out
-- reviewers: who have said something of it
-- agree: those of them who say this
-- places: of each of these verdicts
-- changes: whether it changes what was trained on
-- made: of the first of these verdicts; UTC
-- run: the one in which the row was looked at when that was said
-- judge: hash of the model and the prompts of the judge that said something of the row; NULL where none did
-- judge_passes: whether that judge takes the target for right
-- judge_share: share of the rows judged in that run of which it does
WITH v AS (
  SELECT *, CASE WHEN verdict <> 'reject' THEN coalesce(new_example, example) END AS row_after
  FROM all_reviews WHERE stands
), c AS (
  SELECT * EXCLUDE (places, changes, made, run), made AS said,
    count(*) OVER (PARTITION BY recipe, subject, example) AS n, count(*) OVER alike AS same,
    count(*) OVER (PARTITION BY recipe, subject, example, row_after, reason) AS giving, list(places) OVER alike AS places,
    bool_or(changes) OVER alike AS changes, min(made) OVER alike AS made, arg_min(run, made) OVER alike AS run
  FROM v WINDOW alike AS (PARTITION BY recipe, subject, example, row_after)
), f AS (
  SELECT *, resolves OR 2 * same > n AS settled FROM c
  QUALIFY row_number() OVER (
    PARTITION BY recipe, subject, example ORDER BY resolves DESC, same DESC, giving DESC, said DESC, id DESC
  ) = 1
)
SELECT recipe, example, subject, CASE WHEN settled THEN verdict ELSE 'conflict' END AS verdict,
  CASE WHEN resolves OR 2 * giving > same THEN reason ELSE '' END AS reason,
  CASE WHEN settled THEN row_after END AS new_example, new_inputs, new_target, places, changes, n AS reviewers,
  same AS agree, made, run, judge, judge_passes, judge_share
FROM f;

-- Generated rows that joined no training set: rejected by the verdict, or accepted and left out by the selection.
CREATE OR REPLACE VIEW all_rejected_rows AS
-- stage: judge or select
SELECT run, seed, round, attempt, candidate, CASE WHEN accepted THEN 'select' ELSE 'judge' END AS stage,
  CASE WHEN accepted THEN left_out ELSE reason END AS reason, detail, feedback, operator, inputs, target, parent,
  parent_inputs, parent_target, pattern, pattern_name, adherence, utility, relevance, judge_agrees, similarity,
  neighbour
FROM all_lineage
WHERE (NOT accepted AND example IS NULL) OR left_out IS NOT NULL;

-- What each fine-tune saw: the original training rows as people mended them, but for those in whose place others came,
-- and the rows selected in the earlier rounds whose rows it takes, but for those kept out since a round was rolled back.
CREATE OR REPLACE VIEW all_training_rows AS
WITH trained AS (
  -- What each is made of: among other things `earlier.N` for every round N whose rows it takes.
  SELECT DISTINCT r.run, r.seed, r.round, json_keys(n.identity, '$.inputs') AS takes
  FROM all_run_rows r JOIN node n ON n.id = r.node WHERE r.stage = 'train'
), u AS (
  FROM trained
  UNION
  SELECT run, seed, round + 1, NULL FROM all_run_rows r WHERE stage = 'select'
    AND NOT EXISTS (FROM trained WHERE trained.run = r.run AND trained.seed = r.seed)
), t AS (
  SELECT u.*, n.run IS NOT NULL AS latest FROM u LEFT JOIN last_runs n USING (run)
), b AS (
  SELECT r.run, d.seed, d.round, d.best_round FROM decision d JOIN all_run_rows r USING (node) WHERE d.rolled_back
), l AS (
  -- A run whose rows people mended has two nodes with examples of the data: what is trained on is the later.
  SELECT run, node, made_by FROM all_run_rows WHERE stage IN ('load', 'mend')
  QUALIFY row_number() OVER (PARTITION BY run ORDER BY stage DESC) = 1
), w AS (
  SELECT t.*, l.node, l.made_by FROM t JOIN l USING (run)
), g AS (
  SELECT t.*, r.part, r.round AS made_in FROM t JOIN run_part r ON r.run = t.run AND r.seed = t.seed AND r.round < t.round
  WHERE r.kind = 'candidates' AND (t.takes IS NULL OR list_contains(t.takes, 'earlier.' || r.round)) AND NOT EXISTS (
    FROM b WHERE b.run = t.run AND b.seed = t.seed AND b.round < t.round AND b.best_round <= r.round AND r.round < b.round
  )
), x AS (
  SELECT DISTINCT g.run, g.seed, g.round, c.replaces AS example FROM flat_candidate c JOIN g USING (part)
  WHERE c.replaces IS NOT NULL
), s AS (
  -- Rows that people say are right as they are, and those that they made, by the runs of their recipe.
  SELECT DISTINCT u.id AS run, v.new_example AS example FROM review_outcomes v JOIN recipe c ON c.name = v.recipe
  JOIN run u ON u.recipe = c.id WHERE v.new_example IS NOT NULL
  UNION
  SELECT l.run, d.example FROM reviewed d JOIN l USING (node) WHERE d.example IS NOT NULL AND d.refused = ''
)
-- round: of the fine-tune; 0 for the one that happens elsewhere with `train: {method: none}`
-- origin: original, generated, or mined from the pool
-- made_in: the round that generated it; NULL for original rows
-- source: file of an original or a mined row
-- label_source: who said that the target is right: person, data (an original row), writer, neighbours, teacher, judge, column
-- verified: whether somebody besides the row's writer says so; what the data says is taken for right
-- latest: whether it is the latest run of its recipe
SELECT w.run, w.seed, w.round, 'original' AS origin, e.id AS example, e.inputs, e.target, e.source, e.line,
  NULL::INTEGER AS made_in, NULL::VARCHAR AS candidate, NULL::VARCHAR AS parent, NULL::VARCHAR AS pattern,
  NULL::VARCHAR AS operator, CASE WHEN s.example IS NOT NULL THEN 'person' ELSE 'data' END AS label_source,
  true AS verified, w.latest
FROM example e JOIN w ON w.node = e.node AND w.made_by = e.run LEFT JOIN s ON s.run = w.run AND s.example = e.id
LEFT JOIN x ON x.run = w.run AND x.seed = w.seed AND x.round = w.round AND x.example = e.id
WHERE e.split = 'train' AND x.example IS NULL
UNION ALL
SELECT g.run, g.seed, g.round, CASE c.operator WHEN 'mine' THEN 'mined' ELSE 'generated' END, c.example,
  coalesce(c.person_inputs, c.inputs), coalesce(c.person_target, c.target), c.source, c.line, g.made_in, c.candidate,
  c.parent, c.pattern, c.operator, CASE WHEN s.example IS NOT NULL THEN 'person' ELSE c.label_source END,
  coalesce(c.verified, false) OR s.example IS NOT NULL, g.latest
FROM flat_candidate c JOIN g USING (part) LEFT JOIN s ON s.run = g.run AND s.example = c.example
WHERE c.example IS NOT NULL;
