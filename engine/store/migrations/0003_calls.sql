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
