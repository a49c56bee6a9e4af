"""PaDA Engine: a declarative data engine that makes a small language model better at one task.

`Project` checks, plans, runs and reports a recipe; `compare` holds several against one another; `open_store` reads what
runs left (docs/python.md).
"""

import logging
from typing import Any

from engine.version import __version__

# As of any library: a program that wants to hear what the engine logs says so, to others nothing is printed.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "Asked",
    "Event",
    "Outcome",
    "Planned",
    "Project",
    "ReportFiles",
    "Wanted",
    "__version__",
    "compare",
    "open_store",
]

_PLACES = {
    "Asked": "engine.comparison",
    "Event": "engine.run.progress",
    "Outcome": "engine.run.execute",
    "Planned": "engine.project",
    "Project": "engine.project",
    "ReportFiles": "engine.report.files",
    "Wanted": "engine.export",
    "compare": "engine.comparison",
    "open_store": "engine.store",
}


def __getattr__(name: str) -> Any:
    # At first use: importing the package must load neither DuckDB nor any backend.
    if name in _PLACES:
        import importlib

        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'engine' has no attribute '{name}'")
