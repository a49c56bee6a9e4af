-- Calls for plain text: a student behind a server is asked as it will be used.

COMMENT ON TABLE llm_call IS 'The ledger: every reply of a model that is asked in calls. Usable replies (error IS NULL) are served again, never paid twice.';
ALTER TABLE llm_call ALTER schema DROP NOT NULL;
COMMENT ON COLUMN llm_call.schema IS 'JSON Schema of the reply, as sent; NULL where plain text was asked for.';
COMMENT ON COLUMN llm_call.role IS 'teacher | judge | student (a student behind a server; one on this machine makes no calls)';
