"""What is in an archive of a run, and under which names: what writing and opening share."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

FORMAT = 1
MANIFEST = "bundle.json"
CALLS = "calls.jsonl"
REVIEWS = "reviews.jsonl"
FILES = "files"
"""Folder of what is run: the resolved recipe, its files, and data where that is in it."""
SOURCES = "sources"
"""Folder of the recipe as it was written, for people: nothing of it is read."""
MODELS = "models"
"""Folder of trained adapters."""
MOST_FILES = 50_000
MOST_BYTES = 16_000_000_000
"""Of all files together, unpacked."""
MOST_LINE = 16 * 1024 * 1024
"""Bytes of a line of calls or reviews, and of the manifest."""

_TRAINED = re.compile(
    r"models/[A-Za-z0-9._-]+/(training\.json|adapter/[A-Za-z0-9._-]+\.(safetensors|json|md|txt|jinja|model))\Z"
)
_HIDDEN = {".git", ".pada"}
"""Folders that are nobody else's to bring."""
_TOP = {MANIFEST, CALLS, REVIEWS, "README.txt"}


def is_known(name: str) -> bool:
    """Return whether a bundle may have a file of this name."""
    parts = PurePosixPath(name).parts
    if name in _TOP or _TRAINED.match(name):
        return True
    return len(parts) > 1 and parts[0] in {FILES, SOURCES} and not _HIDDEN & {*parts}
