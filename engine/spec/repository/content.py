"""What is in a package, as one hash: files, what can be run, links."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from engine.fingerprint import file_digest

_NOT_OURS = frozenset({".git", ".pada", "__pycache__"})
"""Of a package that is worked on: what lies in these is no part of it."""


def content_digest(folder: Path, live: bool = False) -> str:
    """Return the hash over a package's files.

    Args:
        folder: The package's.
        live: Whether it is one that is worked on: what git and Python leave in it does not count.

    Raises:
        OSError: one cannot be read.
    """
    lines: list[str] = []
    for parent, folders, files in os.walk(folder):
        if live:
            folders[:] = [name for name in folders if name not in _NOT_OURS]
        for name in (*files, *folders):
            path = Path(parent, name)
            placed = path.relative_to(folder).as_posix()
            if path.is_symlink():
                lines.append(json.dumps([placed, "link", os.readlink(path)]))
            elif name in files:
                sort = "run" if path.stat().st_mode & 0o100 else "file"
                lines.append(json.dumps([placed, sort, file_digest(path)]))
    return "sha256:" + hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
