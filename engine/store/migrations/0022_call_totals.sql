-- What calls took, added up as they come in: the ledger itself has a row for each call.

-- Calls of one node in one run, added up; several rows of the same, as they came in. Ask the view `spend`.
CREATE TABLE call_total (
  run VARCHAR NOT NULL, node VARCHAR NOT NULL, role VARCHAR NOT NULL, calls BIGINT NOT NULL, failed BIGINT NOT NULL,
  retries BIGINT, prompt_tokens BIGINT, completion_tokens BIGINT, cached_tokens BIGINT, reasoning_tokens BIGINT,
  cost DOUBLE, unpriced BIGINT NOT NULL, seconds DOUBLE NOT NULL
);

-- Calls, tokens, money and seconds of teacher and judge, by role, stage and round: asked in this run, or taken over.
CREATE OR REPLACE VIEW spend AS
WITH c AS (
  SELECT *, 'new' AS origin FROM call_total
  UNION ALL
  SELECT t.* REPLACE (r.run AS run), 'cached' FROM call_total t JOIN run_rows r ON r.node = t.node AND r.run <> t.run
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
