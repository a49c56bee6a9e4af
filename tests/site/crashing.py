"""Work for processes: it ends one of them."""

from __future__ import annotations

import os


def work(item: int) -> str:
    """Return the item with the process that worked on it; with 3, end that."""
    if item == 3:
        os._exit(11)
    return f"{item}"


def ended(item: int) -> str:
    """Return what stands for an item over which the process ended."""
    return f"{item} ended it"
