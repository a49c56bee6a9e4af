"""`pada ci`: a workflow for a repository of recipes."""

from __future__ import annotations

import sys

from engine.cli.terminal.streams import for_programs, write
from engine.site.workflows import workflow


def ci_command(name: str) -> None:
    """Print a workflow; raises EngineError where there is none of that name."""
    write(for_programs(sys.stdout), workflow(name))
