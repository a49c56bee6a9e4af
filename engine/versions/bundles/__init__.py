"""A run as one archive, from which others get the same rows and scores without asking a model."""

from engine.versions.bundles.opening import (
    Opened,
    Replayed,
    open_bundle,
    replay,
    run_replayed,
    unpack,
)
from engine.versions.bundles.writing import Bundled, write_bundle

__all__ = [
    "Bundled",
    "Opened",
    "Replayed",
    "open_bundle",
    "replay",
    "run_replayed",
    "unpack",
    "write_bundle",
]
