-- How fast the student answers when it is served.

-- Speed of a served model, by guidellm: a row per metric and number of requests under way at once. Failed requests are
-- in none of the numbers; why they failed stands in `drop`.
CREATE TABLE benchmark (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- student (of this seed and round) or endpoint (the one that the recipe names; its round says nothing)
  subject VARCHAR NOT NULL,
  -- What answered: `transformers serve 5.23.0`, or an address.
  server VARCHAR NOT NULL,
  -- Requests under way at once.
  concurrency INTEGER NOT NULL,
  -- Requests that were sent.
  requests INTEGER NOT NULL,
  -- Those of them that were not answered, or cut off.
  failed INTEGER NOT NULL,
  -- time_to_first_token_ms | inter_token_latency_ms | request_latency_ms | requests_per_second |
  -- output_tokens_per_second | prompt_tokens | output_tokens
  metric VARCHAR NOT NULL,
  -- Answered requests behind the numbers; tokens, where it is a metric of tokens.
  n INTEGER NOT NULL,
  mean DOUBLE NOT NULL,
  p50 DOUBLE NOT NULL,
  p90 DOUBLE NOT NULL,
  p95 DOUBLE NOT NULL,
  p99 DOUBLE NOT NULL
);

-- What a student costs to serve beside what it is worth: its speed, and its scores on test. Milliseconds.
CREATE OR REPLACE VIEW deployment AS
WITH b AS (
  SELECT r.run, t.seed, t.round, t.subject, t.server, t.concurrency, t.requests, t.failed, t.metric AS measured, t.mean,
    t.p50, t.p95
  FROM benchmark t JOIN run_rows r USING (node)
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
LEFT JOIN leaderboard m ON m.run = s.run AND m.seed = s.seed AND m.round = s.round AND m.split = 'test'
  AND s.subject = 'student';
