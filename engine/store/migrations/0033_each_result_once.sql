-- Views that show each result once: `failures` has the latest run of each recipe, `all_failures` every run (decision 21).
-- Only the `all_…` views are written; the short names are laid over them when all migrations are through
-- (engine/store/schema.py). `run` is always the run looked at: what a run took over from an earlier one (cached nodes)
-- counts in every run that uses it.
-- `--` lines directly above a view become docs/store.md; `-- name: text` inside a view describes that column.

-- Hash of its recipe's name and its plan's nodes: a run that is not done goes on where this and the versions are the same.
ALTER TABLE run ADD COLUMN plan VARCHAR DEFAULT '';
-- UTC; when it was last gone on with, NULL when never.
ALTER TABLE run ADD COLUMN resumed TIMESTAMP;
-- Seconds that it was at work before it was last gone on with; waiting for a batch is no work.
ALTER TABLE run ADD COLUMN worked DOUBLE DEFAULT 0;
COMMENT ON TABLE run IS 'Executions of a recipe, each from its start until it is done: waiting, interrupted and gone on with, it stays one run.';
COMMENT ON COLUMN run.status IS 'running | done | interrupted | stopped (budget) | failed | waiting (for a batch) | killed (its process died); all but done are gone on with under the same id';

-- The latest run of each recipe, by the recipe's name: the one that was started, or gone on with, last. The views show these.
CREATE OR REPLACE VIEW last_runs AS
-- recipe: its name
SELECT arg_max(u.id, coalesce(u.resumed, u.started)) AS run, c.name AS recipe
FROM run u JOIN recipe c ON c.id = u.recipe GROUP BY c.name;

-- Which finished nodes a run is made of; join any table to it by `node` to see the run's rows.
CREATE OR REPLACE VIEW all_run_rows AS
-- origin: done in this run, or cached (taken over from an earlier run)
SELECT r.run, r.node, r.name, n.stage, n.seed, n.round, n.attempt, r.status AS origin, n.run AS made_by
FROM run_node r JOIN node n ON n.id = r.node
WHERE r.status <> 'skipped';

-- Scores of every round and split with 95 % intervals and the generalization gap; round -1 is the untuned student.
CREATE OR REPLACE VIEW all_leaderboard AS
WITH m AS (
  SELECT r.run, t.seed, t.round, t.split, t.metric, t.value, t.low, t.high, t.n
  FROM metric t JOIN all_run_rows r USING (node)
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

-- What a student costs to serve beside what it is worth: its speed, and its scores on test. Milliseconds.
CREATE OR REPLACE VIEW all_deployment AS
WITH b AS (
  SELECT r.run, t.seed, t.round, t.subject, t.server, t.concurrency, t.requests, t.failed, t.metric AS measured, t.mean,
    t.p50, t.p95
  FROM benchmark t JOIN all_run_rows r USING (node)
), s AS (
  SELECT run, seed, round, subject, server, concurrency, any_value(requests) AS requests, any_value(failed) AS failed,
    max(p50) FILTER (measured = 'time_to_first_token_ms') AS first_token_p50,
    max(p95) FILTER (measured = 'time_to_first_token_ms') AS first_token_p95,
    max(p50) FILTER (measured = 'inter_token_latency_ms') AS between_tokens_p50,
    max(p95) FILTER (measured = 'inter_token_latency_ms') AS between_tokens_p95,
    max(p50) FILTER (measured = 'request_latency_ms') AS answer_p50,
    max(p95) FILTER (measured = 'request_latency_ms') AS answer_p95,
    max(mean) FILTER (measured = 'requests_per_second') AS requests_per_second,
    max(mean) FILTER (measured = 'output_tokens_per_second') AS tokens_per_second,
    max(mean) FILTER (measured = 'output_tokens') AS tokens_per_answer
  FROM b GROUP BY run, seed, round, subject, server, concurrency
)
-- metric: of the score; NULL for an endpoint, which is not scored
-- value: the score on test
-- concurrency: requests under way at once
-- requests: requests that were sent
-- failed: those of them that were not answered
-- first_token_p50: milliseconds until the first token, median
-- first_token_p95: milliseconds until the first token, 95th percentile
-- between_tokens_p50: milliseconds from token to token, median
-- answer_p50: milliseconds until the whole answer, median
-- tokens_per_second: output tokens of all requests together
-- tokens_per_answer: mean length of an answer, its end token included
SELECT s.run, s.seed, s.round, s.subject, m.metric, m.value, s.server, s.concurrency, s.requests, s.failed,
  s.first_token_p50, s.first_token_p95, s.between_tokens_p50, s.between_tokens_p95, s.answer_p50, s.answer_p95,
  s.requests_per_second, s.tokens_per_second, s.tokens_per_answer
FROM s
LEFT JOIN all_leaderboard m ON m.run = s.run AND m.seed = s.seed AND m.round = s.round AND m.split = 'test'
  AND s.subject = 'student';

-- Each pattern from round to round: found with how many failures, and how many of its members fail then.
CREATE OR REPLACE VIEW all_pattern_history AS
WITH f AS (
  SELECT r.run, t.seed, t.round, t.id, any_value(t.size) AS size
  FROM pattern t JOIN all_run_rows r USING (node) GROUP BY ALL
), n AS (
  SELECT r.run, t.seed, t.id, arg_min(t.name, t.round) AS name, arg_min(t.category, t.round) AS category
  FROM pattern t JOIN all_run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.seed, t.round, t.pattern, t.life AS status, t.before, t.after, t.rows, t.mended, t.broken,
    t.control_mended, t.control_broken, t.effect, t.low, t.high
  FROM pattern_status t JOIN all_run_rows r USING (node)
)
-- found: failures that this round's clustering put into it; NULL when the round did not find it
-- status: new in the round that found it first; afterwards as in the report
-- members: failures ever counted to it before this round's fine-tune
-- failing: of these, how many fail in this round
-- rows: validation rows that fall under it
-- mended: of these, failed when it was found and right in this round
-- broken: of these, right when it was found and failing in this round
-- control_mended: the same with the control; NULL without one
-- control_broken: the same with the control; NULL without one
-- effect: share of the rows that fail with the control minus the share that fails in this round
SELECT h.run, h.seed, h.pattern, n.name, n.category, h.round, h.found, h.status, h.members, h.failing, h.rows,
  h.mended, h.broken, h.control_mended, h.control_broken, h.effect, h.low, h.high
FROM (
  SELECT coalesce(f.run, k.run) AS run, coalesce(f.seed, k.seed) AS seed, coalesce(f.round, k.round) AS round,
    coalesce(f.id, k.pattern) AS pattern, f.size AS found, coalesce(k.status, 'new') AS status,
    coalesce(k.before, f.size) AS members, coalesce(k.after, f.size) AS failing, k.rows, k.mended, k.broken,
    k.control_mended, k.control_broken, k.effect, k.low, k.high
  FROM f FULL JOIN k ON k.run = f.run AND k.seed = f.seed AND k.round = f.round AND k.pattern = f.id
) h
LEFT JOIN n ON n.run = h.run AND n.seed = h.seed AND n.id = h.pattern;

-- Where generated rows end up, step by step: generated, rejected by reason, accepted, left out, selected, trained on.
CREATE OR REPLACE VIEW all_funnel AS
WITH p AS (
  SELECT r.run, r.seed, r.round, r.part, min(t.round) AS trained_in
  FROM run_part r
  LEFT JOIN all_run_rows t ON t.run = r.run AND t.seed = r.seed AND t.round > r.round AND t.stage = 'train'
  WHERE r.kind = 'candidates'
  GROUP BY ALL
)
-- step: 0 not generated, 1 generated, 2 rejected, 3 accepted, 4 left out, 5 selected, 6 trained on; sorts the rows
-- reason: for the steps that lose rows
SELECT r.run, r.seed, r.round, f.step, f.what, f.reason, f.rows FROM flat_funnel f JOIN run_part r USING (part)
UNION ALL
SELECT p.run, p.seed, p.round, 6, 'trained on', NULL, CASE WHEN p.trained_in IS NULL THEN 0 ELSE f.rows END
FROM flat_funnel f JOIN p USING (part) WHERE f.step = 5;

-- The confusion matrix of every round and split: how often each target was answered with what.
CREATE OR REPLACE VIEW all_confusion AS
-- answer: NULL for answers that could not be read
-- n: examples; those that the student could not be asked are left out
SELECT r.run, r.seed, r.round, f.split, f.target, f.answer, f.n FROM flat_confusion f JOIN run_part r USING (part);

-- What each pattern, strategy and operator bought. A pattern has points only where, over all validation rows that fall
-- under it, this student and the control differ beyond chance. They are
-- shared among the rows selected for the pattern in all rounds, so the lines of a pattern add up. Without a control,
-- with fewer than 20 rows, and for patterns found after round 0 there are none. Tokens are those of all calls that
-- asked for rows, or for labels of mined ones, whatever came of them, and of judging (a call about several rows is split
-- evenly); diagnosing, naming, testing, drafting and blind answers are not (see `pattern_price`).
CREATE OR REPLACE VIEW all_payoff AS
WITH b AS (
  SELECT r.run, r.seed, r.round, f.* EXCLUDE (part) FROM flat_yield f JOIN run_part r USING (part)
), q AS (
  SELECT r.run, r.seed, r.round, f.n, f.failing FROM flat_validation f JOIN run_part r USING (part) WHERE f.n > 0
), m AS (
  SELECT r.run, r.seed, r.round, f.pattern, f.members FROM flat_member f JOIN run_part r USING (part)
), s AS (
  SELECT r.run, t.seed, t.round AS tracked, t.pattern, t.life AS status, t.status AS beside_control, t.rows, t.mended,
    t.broken, t.control_mended, t.control_broken, t.effect
  FROM pattern_status t JOIN all_run_rows r USING (node)
  QUALIFY row_number() OVER (PARTITION BY r.run, t.seed, t.pattern ORDER BY t.round DESC) = 1
), i AS (
  SELECT b.*, s.tracked, s.status, s.beside_control, s.rows, s.mended, s.broken, s.control_mended, s.control_broken, s.effect,
    b.selected / nullif(sum(b.selected) FILTER (b.round < s.tracked)
      OVER (PARTITION BY b.run, b.seed, b.pattern), 0) AS share
  FROM b LEFT JOIN s ON s.run = b.run AND s.seed = b.seed AND s.pattern = b.pattern AND s.tracked > b.round
)
-- round: that generated the rows
-- generated: rows that were written or mined
-- members: validation failures of the pattern in that round
-- status: after the latest fine-tune, as in the report: open, shrinking, fixed, regressed, split, merged or unclear; NULL when none followed
-- rows: validation rows that fall under the pattern
-- mended: of these, failed when it was found and right after the latest fine-tune: chance included
-- broken: of these, right when it was found and failing after the latest fine-tune: chance included
-- control_mended: the same with the control; NULL without one
-- control_broken: the same with the control; NULL without one
-- effect: share of the rows that fail with the control minus the share that fails now
-- points: this line's part of the effect, in percentage points of the validation rows, adjusted by the control; NULL where that is not beyond chance
-- points_per_1000_tokens: points bought by 1,000 tokens of generating and judging
-- round_change_unadjusted: by how many points of the validation rows fewer fail after the round's fine-tune than before, chance included
SELECT i.run, i.seed, i.round, i.pattern, n.name AS pattern_name, i.strategy, i.operator, i.generated, i.accepted,
  i.selected, round(i.tokens)::BIGINT AS tokens, m.members, i.status, i.rows, i.mended, i.broken, i.control_mended,
  i.control_broken, i.effect,
  CASE WHEN i.beside_control <> 'unclear' THEN 100 * i.effect * i.rows * i.share / q.n END AS points,
  CASE WHEN i.beside_control <> 'unclear' THEN
    100 * i.effect * i.rows * i.share / q.n / nullif(i.tokens / 1000, 0)
  END AS points_per_1000_tokens,
  CASE WHEN q2.n IS NOT NULL THEN
    100.0 * q.failing / q.n - 100.0 * q2.failing / q2.n
  END AS round_change_unadjusted
FROM i
LEFT JOIN m ON m.run = i.run AND m.seed = i.seed AND m.round = i.round AND m.pattern = i.pattern
LEFT JOIN q ON q.run = i.run AND q.seed = i.seed AND q.round = i.round
LEFT JOIN q q2 ON q2.run = i.run AND q2.seed = i.seed AND q2.round = i.round + 1
LEFT JOIN (SELECT r.run, t.seed, t.round, t.id, any_value(t.name) AS name
           FROM pattern t JOIN all_run_rows r USING (node) GROUP BY ALL) n
  ON n.run = i.run AND n.seed = i.seed AND n.round = i.round AND n.id = i.pattern;

-- Calls, tokens, money and seconds of teacher and judge, by role, stage and round: asked in this run, or taken over.
CREATE OR REPLACE VIEW all_spend AS
WITH c AS (
  SELECT *, 'new' AS origin FROM call_total
  UNION ALL
  SELECT t.* REPLACE (r.run AS run), 'cached' FROM call_total t JOIN all_run_rows r ON r.node = t.node AND r.run <> t.run
)
-- stage: NULL (like seed and round) while the node that asked is not finished
-- origin: new (asked in this run) or cached (asked in an earlier run by a node that this one uses)
-- failed: calls without a usable reply; their tokens count
-- retries: exchanges that brought no reply and were tried again
-- unpriced: calls of unknown cost, which `cost` lacks
-- seconds: sum over the calls; they overlap where a backend answers several at once
SELECT c.run, c.role, n.stage, n.seed, n.round, c.origin, sum(c.calls)::BIGINT AS calls,
  sum(c.failed)::BIGINT AS failed, sum(c.retries)::BIGINT AS retries,
  sum(c.prompt_tokens)::BIGINT AS prompt_tokens, sum(c.completion_tokens)::BIGINT AS completion_tokens,
  sum(c.cached_tokens)::BIGINT AS cached_tokens, sum(c.reasoning_tokens)::BIGINT AS reasoning_tokens,
  coalesce(sum(c.prompt_tokens), 0)::BIGINT + coalesce(sum(c.completion_tokens), 0)::BIGINT AS tokens,
  sum(c.cost) AS cost, sum(c.unpriced)::BIGINT AS unpriced, sum(c.seconds) AS seconds
FROM c LEFT JOIN node n ON n.id = c.node
GROUP BY ALL;

-- Each pattern in each round that found it, with its test, its strategy and how it stands by now.
CREATE OR REPLACE VIEW all_failure_patterns AS
WITH s AS (
  SELECT r.run, t.seed, t.round, t.pattern, string_agg(t.text, chr(10) ORDER BY t.id) AS strategy
  FROM strategy t JOIN all_run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.seed, t.pattern, max(t.round) AS tracked, arg_max(t.life, t.round) AS status,
    arg_max(t.before, t.round) AS before, arg_max(t.after, t.round) AS after,
    arg_max(t.rows, t.round) AS rows,
    -- Not arg_max of each: that passes over NULL.
    arg_max({'effect': t.effect, 'low': t.low, 'high': t.high}, t.round) AS latest
  FROM pattern_status t JOIN all_run_rows r USING (node) GROUP BY ALL
), c AS (
  SELECT r.run, t.* EXCLUDE (run) FROM pattern_test t JOIN all_run_rows r USING (node)
)
-- size: failures in it when this round found it
-- status: after the latest fine-tune that followed, as in the report: open, shrinking, fixed, regressed, split, merged or unclear; new when none followed
-- members: failures ever counted to it, as of the latest tracking
-- failing: of these, how many still fail; a control mends some of them too
-- rows: validation rows that fall under it
-- effect: share of these that fail with the control minus the share that fails now; NULL where it cannot be told
-- tracked: round of that latest fine-tune
-- split_from: the cluster that it is a part of, where the teacher split one; else NULL
-- verdict: confirmed, weak, refuted or untested: whether it is real; NULL where patterns are not tested
-- funded: whether rows are written against it
-- lift: failure rate of rows that fall under its description over that of the others; NULL where it is untested
-- precision: share of the rows that fall under it that fail
-- recall: share of the failing rows that fall under it
-- guard: why its texts were replaced by neutral ones; NULL when they were clean
-- stability: how far the cluster comes out again in bootstrap samples, 0 to 1; below 0.6 it is no pattern
SELECT r.run, t.seed, t.round, t.id AS pattern, t.name, t.category, t.size, t.description, s.strategy,
  CASE WHEN k.tracked > t.round THEN k.status ELSE 'new' END AS status,
  coalesce(k.before, t.size) AS members,
  CASE WHEN k.tracked > t.round THEN k.after ELSE t.size END AS failing,
  k.rows, k.latest.effect AS effect, k.latest.low AS low, k.latest.high AS high,
  k.tracked, t.silhouette, t.stability, t.guard, t.split_from, c.verdict, coalesce(c.funded, true) AS funded,
  c.lift, c.lift_low, c.lift_high, c.precision, c.precision_low, c.precision_high, c.recall, c.recall_low,
  c.recall_high
FROM pattern t
JOIN all_run_rows r USING (node)
LEFT JOIN s ON s.run = r.run AND s.seed = t.seed AND s.round = t.round AND s.pattern = t.id
LEFT JOIN k ON k.run = r.run AND k.seed = t.seed AND k.pattern = t.id
LEFT JOIN c ON c.run = r.run AND c.seed = t.seed AND c.round = t.round AND c.pattern = t.id;

-- What each later round broke of the rows that round 0 had right, beside what the control breaks.
CREATE OR REPLACE VIEW all_regressions AS
-- n: validation rows that round 0 has right
-- broken: of these, wrong in this round
-- control_broken: of these, wrong with the control; NULL without one
-- steady: rows that round 0 and the control have right
-- steady_broken: of the steady ones, wrong in this round
-- difference: share broken in this round minus share broken with the control; NULL where it cannot be told
-- patterns: those that regressed
-- regressed: whether it is more than chance, or a pattern has regressed
SELECT r.run, t.seed, t.round, t.n, t.broken, t.control_broken, t.steady, t.steady_broken, t.difference, t.low, t.high,
  t.p, t.patterns, t.regressed, t.detail
FROM regression_suite t JOIN all_run_rows r USING (node);

-- The rows that flipped: right in round 0, wrong in a later round, or with the control.
CREATE OR REPLACE VIEW all_broken_rows AS
WITH n AS (
  SELECT r.run, r.node, r.stage, l.run IS NOT NULL AS latest FROM all_run_rows r LEFT JOIN last_runs l USING (run)
), e AS (
  -- Few rows break, so they are looked for before anything is gathered.
  SELECT r.run, r.latest, t.id, any_value(t.inputs) AS inputs, any_value(t.target) AS target
  FROM example t JOIN n r USING (node)
  WHERE r.stage = 'load' AND t.split = 'validation' AND t.id IN (SELECT example FROM regression) GROUP BY ALL
)
-- fails: wrong in this round
-- control_fails: wrong with the control; NULL without one
-- pattern: that the row falls under, of any earlier round; NULL where none
-- latest: whether it is the latest run of its recipe
SELECT r.run, t.seed, t.round, t.example, e.inputs, e.target, t.fails, t.control_fails, t.pattern, r.latest
FROM regression t JOIN n r USING (node)
LEFT JOIN e ON e.run = r.run AND e.latest = r.latest AND e.id = t.example;

-- Each pattern with where it was first seen, over runs, seeds and versions of a recipe.
CREATE OR REPLACE VIEW all_pattern_origins AS
WITH n AS (
  SELECT r.run, t.seed, t.id AS pattern, arg_max(t.name, t.round) AS name, arg_max(t.category, t.round) AS category,
    arg_max(t.size, t.round) AS size
  FROM pattern t JOIN all_run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.seed, t.pattern, arg_max(t.life, t.round) AS life
  FROM pattern_status t JOIN all_run_rows r USING (node) GROUP BY ALL
)
-- root: the same for all sightings of one pattern
-- version: what the run's recipe says of its version
-- seen: when the run began, UTC
-- life: after the run's latest fine-tune; NULL where none followed
-- is_new: whether no earlier run saw it
SELECT concat_ws('/', o.first_run, o.first_seed, o.first_pattern) AS root, o.run, c.name AS recipe,
  coalesce(c.effective->>'version', '') AS version, x.started AS seen, o.seed, o.pattern, n.name, n.category, n.size,
  k.life, o.earlier_run IS NULL AS is_new, o.first_run, o.first_seen, o.first_version, o.earlier_run, o.shared,
  o.similarity
FROM pattern_origin o
JOIN run x ON x.id = o.run
LEFT JOIN recipe c ON c.id = x.recipe
LEFT JOIN n ON n.run = o.run AND n.seed = o.seed AND n.pattern = o.pattern
LEFT JOIN k ON k.run = o.run AND k.seed = o.seed AND k.pattern = o.pattern;

-- What could become a category of the taxonomy (`pada patterns adopt`): names that diagnoses propose, all seeds and
-- rounds of a run together, and patterns for which no category fits. What SQL assigns to a category does not count.
CREATE OR REPLACE VIEW all_proposed_categories AS
WITH d AS (
  SELECT r.run, lower(f.name) AS kind, f.name, f.example, f.scenario FROM flat_proposal f JOIN run_part r USING (part)
), n AS (
  SELECT run, kind, arg_min(name, (-times, name)) AS name
  FROM (SELECT run, kind, name, count(*) AS times FROM d GROUP BY ALL) GROUP BY ALL
), s AS (
  SELECT run, kind, arg_min(scenario, (-times, scenario)) AS scenario
  FROM (SELECT run, kind, scenario, count(*) AS times FROM d GROUP BY ALL) GROUP BY ALL
), c AS (
  SELECT run, kind, count(*) AS failures FROM (SELECT DISTINCT run, kind, example FROM d) GROUP BY ALL
), p AS (
  SELECT r.run, t.name, t.size, t.description FROM pattern t JOIN all_run_rows r USING (node)
  WHERE coalesce(t.category, 'other') = 'other' AND NOT starts_with(t.id, 'category:')
)
-- name: as most of its diagnoses write it; a pattern's name
-- source: diagnosis or pattern
-- failures: that were diagnosed so; members of the pattern, in the round with the most
-- description: the scenario that most of its diagnoses give; a pattern's description
SELECT run, n.name, 'diagnosis' AS source, c.failures, s.scenario AS description
FROM c JOIN n USING (run, kind) JOIN s USING (run, kind)
UNION ALL
SELECT run, name, 'pattern', max(size), arg_max(description, size) FROM p GROUP BY run, name;

-- The life of each pattern, round by round: how many of the rows that fall under it fail, beside the control, and which
-- other patterns it came from. Words other than new, split and merged are said where a test against the control says so.
CREATE OR REPLACE VIEW all_pattern_life AS
WITH f AS (
  SELECT r.run, t.seed, t.round, t.id AS pattern, t.name, t.category, t.size,
    min(t.round) OVER (PARTITION BY r.run, t.seed, t.id) AS first
  FROM pattern t JOIN all_run_rows r USING (node)
), l AS (
  SELECT r.run, t.seed, t.round, t.pattern, list(t.parent ORDER BY t.position) FILTER (t.kind = 'split') AS split_from,
    list(t.parent ORDER BY t.position) FILTER (t.kind = 'merged') AS merged,
    any_value(t.parent) FILTER (t.kind = 'part') AS part_of
  FROM pattern_link t JOIN all_run_rows r USING (node) GROUP BY ALL
), k AS (
  SELECT r.run, t.* EXCLUDE (node, run, position) FROM pattern_status t JOIN all_run_rows r USING (node)
), n AS (
  SELECT run, seed, pattern, arg_min(name, round) AS name, arg_min(category, round) AS category FROM f GROUP BY ALL
)
-- life: new in the round that found it first (split where it came from another); then open, shrinking, fixed, regressed, split, merged or unclear
-- found: failures that this round's clustering put into it; NULL when the round did not find it
-- split_from: the pattern that most members of this new one come from
-- merged: patterns that went into this one in this round
-- rows: validation rows that fall under it
-- failed: of these, failed when it was found
-- failing: of these, fail after this round's fine-tune
-- rate: their share, with its interval (rate_low, rate_high); NULL under 20 rows
-- control_failing: with the control; NULL without one
-- held_out: of these rows, failed and never diagnosed
-- held_out_mended: of the held-out ones, right in this round
-- control_held_out_mended: the same with the control; NULL without one
-- effect: share of the rows that fails with the control minus the share that fails now; NULL where it cannot be told
-- part_of: the cluster of this round that its namer split, of which it is a part; its other parts have the same
SELECT h.run, h.seed, h.pattern, n.name, n.category, h.round,
  CASE WHEN h.life IS NOT NULL THEN h.life WHEN len(l.split_from) > 0 THEN 'split' WHEN h.round = h.first THEN 'new'
    ELSE 'unclear' END AS life,
  h.found, l.split_from[1] AS split_from, coalesce(l.merged, []) AS merged, h.rows, h.failed, h.failing, h.rate,
  h.rate_low, h.rate_high, h.control_failing, h.held_out, h.held_out_mended, h.control_held_out_mended, h.effect,
  h.low, h.high, l.part_of
FROM (
  SELECT coalesce(f.run, k.run) AS run, coalesce(f.seed, k.seed) AS seed, coalesce(f.round, k.round) AS round,
    coalesce(f.pattern, k.pattern) AS pattern, f.size AS found, f.first, k.life, k.rows, k.failed, k.failing, k.rate,
    k.rate_low, k.rate_high, k.control_failing, k.held_out, k.held_out_mended, k.control_held_out_mended, k.effect,
    k.low, k.high
  FROM f FULL JOIN k ON k.run = f.run AND k.seed = f.seed AND k.round = f.round AND k.pattern = f.pattern
) h
LEFT JOIN n ON n.run = h.run AND n.seed = h.seed AND n.pattern = h.pattern
LEFT JOIN l ON l.run = h.run AND l.seed = h.seed AND l.round = h.round AND l.pattern = h.pattern;

-- What each pattern took in calls, round by round. A call for several diagnoses, rows or patterns is split evenly among
-- these; one whose reply an earlier round had is counted there.
CREATE OR REPLACE VIEW all_pattern_price AS
-- place: sorts the rows
-- what: diagnosing, naming, testing, drafting (strategies), generating, verifying (blind answers) or judging
-- calls: that had a part in it, whichever run made them
-- tokens: of prompts and replies
-- unmetered: of the calls, those whose tokens are not known
-- cost: for the calls whose cost is known; NULL where none is
-- unpriced: calls of unknown cost
SELECT r.run, r.seed, r.round, f.pattern, f.place, f.what, f.calls, f.tokens, f.unmetered, f.cost, f.unpriced
FROM flat_price f JOIN run_part r USING (part);

-- Every failure (train, validation and logged) with the row, the answer given, the diagnosis and the pattern it belongs
-- to. Of a logged row, rounds up to 0 show what was logged, later ones what their student says, where it can be asked.
CREATE OR REPLACE VIEW all_failures AS
-- inputs: the columns that the student sees
-- columns: the source's other columns
-- prediction: what the student said, or the log has, whole
-- answer: what was read from it; NULL when nothing could be
-- status: ok, unparsable or backend_failed
-- predicate: the recipe's condition that made it a failure, or thumb_down
-- pattern: pattern.id; NULL for failures that were not diagnosed, and for those on training rows
SELECT r.run, r.seed, r.round, f.split, f.example, f.inputs, f.target, f.answer, f.prediction, f.status,
  f.confidence, f.predicate, f.root_cause, f.scenario, f.pattern, f.pattern_name, f.category, f.columns
FROM flat_failure f JOIN run_part r USING (part);
