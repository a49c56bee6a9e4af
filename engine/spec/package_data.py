"""Where the prompts, schemas, recipes and manual that come with the engine are, and which files are its own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

Kind = Literal["prompts", "schemas", "recipes", "docs"]


def shipped(kind: Kind) -> Path:
    """Return the folder of a kind: `engine/_shipped/…` in a wheel, else the checkout's own."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_shipped" / kind
    return installed if installed.is_dir() else package.parent / kind


@lru_cache(maxsize=1024)
def is_ours(file: Path) -> bool:
    """Return whether a prompt or a schema comes with the engine: it lies in its folders of these, or its package."""
    folders = (shipped("prompts"), shipped("schemas"), Path(__file__).parents[1])
    homes = (folder.resolve() for folder in folders)
    return any(file.resolve().is_relative_to(home) for home in homes)
