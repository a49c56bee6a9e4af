"""Where the prompts, schemas and recipes that come with the engine are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Kind = Literal["prompts", "schemas", "recipes"]


def shipped(kind: Kind) -> Path:
    """Return the folder of a kind: `engine/_shipped/…` in a wheel, else the checkout's own."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_shipped" / kind
    return installed if installed.is_dir() else package.parent / kind
