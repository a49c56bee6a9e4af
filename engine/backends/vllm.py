"""The backend `vllm`: a vLLM server, told the schema by its own parameter (`structured_outputs`) first."""

from dataclasses import replace

from engine.backends import openai
from engine.backends.http.model import server_backend
from engine.backends.http.protocol import WORDS

PROTOCOL = replace(
    openai.PROTOCOL,
    tried=(openai.STRUCTURED_OUTPUTS, openai.JSON_SCHEMA, openai.JSON_OBJECT, WORDS),
)
BACKEND = server_backend("vllm", PROTOCOL, openai.OpenAISettings, openai.endpoint)
