-- Calls to servers: what they cost, who answered, and what it took to get a reply.

ALTER TABLE llm_call ALTER prompt_tokens DROP NOT NULL;
ALTER TABLE llm_call ALTER completion_tokens DROP NOT NULL;
-- False for an unusable reply after which the request was asked again.
ALTER TABLE llm_call ADD COLUMN final BOOLEAN DEFAULT true;
-- Prompt tokens that the server had cached; counted in prompt_tokens. NULL where it does not say.
ALTER TABLE llm_call ADD COLUMN cached_tokens INTEGER;
-- Tokens of hidden reasoning; counted in completion_tokens. NULL where the server does not say.
ALTER TABLE llm_call ADD COLUMN reasoning_tokens INTEGER;
-- Money, by the recipe's price. NULL is unknown, not zero.
ALTER TABLE llm_call ADD COLUMN cost DOUBLE;
-- Who answered, as the server names itself: model and system fingerprint. NULL for models on this machine.
ALTER TABLE llm_call ADD COLUMN server VARCHAR;
-- Exchanges before this one that brought no reply, as JSON: [{kind, status, seconds, detail}, …].
ALTER TABLE llm_call ADD COLUMN tries JSON DEFAULT '[]';

-- Calls, tokens, money and seconds of teacher and judge, by role, stage and round: asked in this run, or taken over.
CREATE OR REPLACE VIEW spend AS
WITH c AS (
  SELECT run, node, role, error, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost, tries,
    seconds, 'new' AS origin FROM llm_call
  UNION ALL
  SELECT r.run, c.node, c.role, c.error, c.prompt_tokens, c.completion_tokens, c.cached_tokens, c.reasoning_tokens,
    c.cost, c.tries, c.seconds, 'cached'
  FROM llm_call c JOIN run_rows r ON r.node = c.node AND r.run <> c.run
)
-- stage: NULL (like seed and round) while the node that asked is not finished
-- origin: new (asked in this run) or cached (asked in an earlier run by a node that this one uses)
-- failed: calls without a usable reply; their tokens count
-- retries: exchanges that brought no reply and were tried again
-- unpriced: calls of unknown cost, which `cost` lacks
-- seconds: sum over the calls; they overlap where a backend answers several at once
SELECT c.run, c.role, n.stage, n.seed, n.round, c.origin, count(*) AS calls, count(c.error) AS failed,
  sum(json_array_length(c.tries))::BIGINT AS retries,
  sum(c.prompt_tokens)::BIGINT AS prompt_tokens, sum(c.completion_tokens)::BIGINT AS completion_tokens,
  sum(c.cached_tokens)::BIGINT AS cached_tokens, sum(c.reasoning_tokens)::BIGINT AS reasoning_tokens,
  coalesce(sum(c.prompt_tokens), 0)::BIGINT + coalesce(sum(c.completion_tokens), 0)::BIGINT AS tokens,
  sum(c.cost) AS cost, count(*) FILTER (c.cost IS NULL) AS unpriced, sum(c.seconds) AS seconds
FROM c LEFT JOIN node n ON n.id = c.node
GROUP BY ALL;
