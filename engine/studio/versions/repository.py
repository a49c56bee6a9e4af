"""The repository around the recipes: its `pada.yaml`, the commit that is checked out, and its packages as locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.errors import EngineError, RecipeError
from engine.gate.roots import PROJECT, real
from engine.packages.installing import check, project_here
from engine.packages.listing import package_records
from engine.run.kept.repository import commit_of
from engine.spec.repository import LOCK
from engine.spec.yaml import decode, read_bytes
from engine.store import Stop
from engine.studio.asked import Asked
from engine.studio.settings import Settings


def repository(settings: Settings, asked: Asked, stop: Stop) -> dict[str, Any]:
    """Return what the project says of itself, its packages with their state, and the commands that change them."""
    here = real(settings.folder)
    git = commit_of(here, [])
    answer: dict[str, Any] = {
        "folder": str(here),
        "git": {
            "in_git": git.hash is not None,
            "commit": git.hash,
            "branch": git.branch,
            "tags": git.tags or (),
            "repository": git.repository,
        },
        "project": None,
        "packages": [],
        "problems": [],
        "why_not": None,
    }
    try:
        whole = project_here(here)
        file = whole.root / PROJECT
        answer["project"] = {
            "file": _below(file, here),
            "text": decode(read_bytes(file), file),
            "has_lock": (whole.root / LOCK).is_file(),
        }
        answer["packages"] = [
            {**one, "folder": _below(Path(str(one["folder"])), whole.root)}
            for one in package_records(here)
        ]
        answer["problems"] = check(here)
    except RecipeError as error:
        answer["problems"] = error.problems
    except EngineError as error:
        answer["why_not"] = {"message": error.message, "hint": error.hint}
    return answer


def _below(place: Path, root: Path) -> str:
    """Return a path from the project's folder, wherever this process is."""
    whole, base = real(place), real(root)
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)
