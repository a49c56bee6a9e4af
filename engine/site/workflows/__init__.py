"""Workflows for repositories of recipes: what GitHub and GitLab run over each change, as files to be kept there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.errors import EngineError
from engine.registry import did_you_mean
from engine.version import __version__

_HERE = Path(__file__).parent
PLACES: Mapping[str, str] = {
    "github": ".github/workflows/recipes.yml",
    "github-comment": ".github/workflows/recipes-comment.yml",
    "gitlab": ".gitlab-ci.yml",
}
"""Workflow -> where it belongs in a repository."""
_VERSION = "{{version}}"
_REPORT = "{{report}}"


def workflow(name: str) -> str:
    """Return a workflow, for this version of the engine; raises EngineError where there is none of that name."""
    if name not in PLACES:
        raise EngineError(
            f"there is no workflow '{name}'",
            did_you_mean(name, PLACES) or f"one of: {', '.join(PLACES)}",
        )
    text = (_HERE / f"{name}.yml").read_text("utf-8")
    margin = next(
        (line[: len(line) - len(line.lstrip())] for line in text.splitlines() if _REPORT in line),
        "",
    )
    return text.replace(_REPORT, report_script().replace("\n", f"\n{margin}")).replace(
        _VERSION, __version__
    )


def report_script() -> str:
    """Return the shell commands that write what a change does to recipes, as `report.md`."""
    return (_HERE / "report.sh").read_text("utf-8").rstrip()
