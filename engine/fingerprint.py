"""Content hashes: canonical JSON to SHA-256. The one place that decides what "the same" means."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FINGERPRINT_VERSION = 1
"""Bumped when hashing itself changes; it is part of every fingerprint, so old results are not mistaken for new."""

# Made once: it is asked for every row of a source.
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical(value: Any) -> str:
    """Return `value` as canonical JSON: sorted keys, no spaces, UTF-8; raises TypeError for anything else.

    There is deliberately no `default=`: an object that JSON does not know has no stable identity.
    """
    return _ENCODER.encode(value)


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return digest_canonical(canonical(value))


def digest_canonical(text: str) -> str:
    """Return the digest of a value given as canonical JSON already: `digest(v)` for `canonical(v)`."""
    return hashlib.sha256(f"{FINGERPRINT_VERSION}:{text}".encode()).hexdigest()


def digest_parts(parts: Iterable[str]) -> str:
    """Return the digest of canonical JSON that comes in parts: `digest(v)` where together they are `canonical(v)`."""
    made = hashlib.sha256(f"{FINGERPRINT_VERSION}:".encode())
    for part in parts:
        made.update(part.encode())
    return made.hexdigest()


def short(value: Any, length: int = 16) -> str:
    """Return the first `length` digits of `digest(value)`: ids of rows, nodes and requests."""
    return digest(value)[:length]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in blocks; raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_NOT_OURS = frozenset({".git", ".pada", "__pycache__"})
"""In a folder that is worked on: what lies in these is no part of it."""


def content_digest(folder: Path, live: bool = False) -> str:
    """Return the hash over a folder: names, contents, what can be run, where links lead.

    Args:
        folder: The folder.
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
