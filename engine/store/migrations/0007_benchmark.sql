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
