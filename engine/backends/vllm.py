"""The backend `vllm`: a vLLM server, told the schema by its own parameter (`structured_outputs`) first."""

from engine.backends.openai import WAYS, server_backend

BACKEND = server_backend("vllm", WAYS["vllm"])
