-- The views people start from. `run` is always the run looked at: results that a run took over from an earlier one
-- (cached nodes) count in every run that uses them.
-- `--` lines directly above a view become docs/store.md; `-- name: text` inside a view describes that column.

-- Which finished nodes each run is made of; join any table to it by `node` to see one run's rows.
CREATE VIEW run_rows AS
-- origin: done in this run, or cached (taken over from an earlier run)
SELECT r.run, r.node, r.name, n.stage, n.seed, n.round, n.attempt, r.status AS origin, n.run AS made_by
FROM run_node r JOIN node n ON n.id = r.node
WHERE r.status <> 'skipped';

-- Scores of every run, round and split with 95 % intervals and the generalization gap; round -1 is the untuned student.
CREATE VIEW leaderboard AS
WITH m AS (
  SELECT r.run, t.seed, t.round, t.split, t.metric, t.value, t.low, t.high, t.n
  FROM metric t JOIN run_rows r USING (node)
)
-- gap: score on train minus score on this split; NULL for train
-- n: examples behind the value
SELECT m.run, c.name AS recipe, m.seed, m.round, m.split, m.metric, m.value, m.low, m.high, m.n, g.value AS gap
FROM m
LEFT JOIN run u ON u.id = m.run
LEFT JOIN recipe c ON c.id = u.recipe
LEFT JOIN m g ON g.run = m.run AND g.seed = m.seed AND g.round = m.round AND g.metric = m.metric
  AND g.split = 'gap_' || m.split
WHERE NOT starts_with(m.split, 'gap_');
