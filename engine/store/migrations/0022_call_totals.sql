-- What calls took, added up as they come in: the ledger itself has a row for each call.

-- Calls of one node in one run, added up; several rows of the same, as they came in. Ask the view `spend`.
CREATE TABLE call_total (
  run VARCHAR NOT NULL, node VARCHAR NOT NULL, role VARCHAR NOT NULL, calls BIGINT NOT NULL, failed BIGINT NOT NULL,
  retries BIGINT, prompt_tokens BIGINT, completion_tokens BIGINT, cached_tokens BIGINT, reasoning_tokens BIGINT,
  cost DOUBLE, unpriced BIGINT NOT NULL, seconds DOUBLE NOT NULL
);
