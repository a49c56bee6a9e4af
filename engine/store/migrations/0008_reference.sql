-- The likelihood of the right answer, for perplexity.

-- Negative log-likelihood of the right answer under the student, in nats; NULL where no metric asks for it.
ALTER TABLE prediction ADD COLUMN reference_nats DOUBLE;
-- Tokens of the right answer, the turn's end included.
ALTER TABLE prediction ADD COLUMN reference_tokens INTEGER;
