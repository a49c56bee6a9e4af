-- What rows cost: every call that asked for some.

-- One call that asked for rows of one pattern, by one operator, whatever came of them: what rows cost. A call for rows of
-- several patterns has a row for each.
CREATE TABLE row_call (
  node VARCHAR NOT NULL, run VARCHAR NOT NULL, seed INTEGER NOT NULL, round INTEGER NOT NULL, position INTEGER NOT NULL,
  -- llm_call.id
  call VARCHAR NOT NULL,
  pattern VARCHAR NOT NULL, strategy VARCHAR NOT NULL, operator VARCHAR NOT NULL,
  -- Rows of the pattern that it asked for.
  rows INTEGER NOT NULL
);
