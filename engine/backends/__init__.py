"""The ways of running models, by name. Importing this loads no library of models.

Adding one: a module with a `BACKEND`, and its name in the list.
"""

import os

from engine.backends import (
    anthropic,
    batch,
    llamacpp,
    openai,
    scripted,
    sentence_transformers,
    transformers,
    vllm,
    vllm_offline,
)
from engine.backends.entry import Backend
from engine.registry import Registry

# OpenMP threads that spin while they wait take the core from the thread they wait for: beside other
# work on two cores a batch took 52 s, with threads that sleep 8 to 10 s. OpenMP reads this when torch
# is imported, so it is set before anything can import it; a user's own choice stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

BACKENDS: Registry[Backend] = Registry(
    "backend",
    [
        transformers.BACKEND,
        sentence_transformers.BACKEND,
        llamacpp.BACKEND,
        openai.BACKEND,
        vllm.BACKEND,
        anthropic.BACKEND,
        vllm_offline.BACKEND,
        batch.BACKEND,
        scripted.BACKEND,
    ],
)

__all__ = ["BACKENDS", "Backend"]
