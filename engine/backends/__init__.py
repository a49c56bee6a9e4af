"""The ways of running models, by name. Importing this loads no library of models.

Adding one: a module with a `BACKEND`, and its name in the list.
"""

from engine.backends import scripted, sentence_transformers, transformers
from engine.backends.entry import Backend
from engine.registry import Registry

BACKENDS: Registry[Backend] = Registry(
    "backend",
    [transformers.BACKEND, sentence_transformers.BACKEND, scripted.BACKEND],
)

__all__ = ["BACKENDS", "Backend"]
