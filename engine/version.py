"""The version of the engine: one place, read by the package, its runs and its reports; and those it works with."""

from __future__ import annotations

import sys

__version__ = "0.1.0"
LIBRARIES = (
    "torch",
    "transformers",
    "peft",
    "outlines",
    "llguidance",
    "sentence-transformers",
    "duckdb",
    "scikit-learn",
    "guidellm",
)
"""Whose versions are kept with a run."""


def versions() -> dict[str, str]:
    """Return the versions of the engine, of Python and of the libraries that decide what a run gives."""
    import importlib.metadata

    own = {"pada-engine": __version__, "python": sys.version.split()[0]}
    return own | {name: importlib.metadata.version(name) for name in LIBRARIES}
