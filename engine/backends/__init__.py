"""The ways of running models, by name; a backend knows requests and replies, never recipes, rounds or the store.

A new backend is one file beside this one and one line in `BACKENDS`; what several need lies in the rooms below.
Importing this loads no library of models: they are imported inside the functions that need them.
"""

import os
from functools import partial
from importlib import import_module

from engine.backends.entry import Backend
from engine.registry import Later, Registry

# OpenMP threads that spin while they wait take the core from the thread they wait for: beside other
# work on two cores a batch took 52 s, with threads that sleep 8 to 10 s. OpenMP reads this when torch
# is imported, so it is set before anything can import it; a user's own choice stands.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _imported(module: str) -> Backend:
    backend: Backend = import_module(f"{__name__}.{module}").BACKEND
    return backend


BACKENDS: Registry[Backend] = Registry(
    "backend",
    [
        # Imported when first asked for: to speak with servers takes much that weights here do not need.
        Later(name, partial(_imported, name.replace("-", "_")))
        for name in (
            "transformers",
            "sentence-transformers",
            "llamacpp",
            "openai",
            "vllm",
            "anthropic",
            "vllm_offline",
            "batch",
            "scripted",
        )
    ],
)
"""By the names of their files, which are those that recipes use but for `-`."""

__all__ = ["BACKENDS", "Backend"]
