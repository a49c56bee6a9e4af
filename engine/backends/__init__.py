"""The ways of running models, by name; a backend knows requests and replies, never recipes, rounds or the store.

A new backend is one file beside this one and one line in `BACKENDS`; what several need lies in the rooms below.
Importing this loads no library of models: they are imported inside the functions that need them.
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
