"""Content hashes: canonical JSON to SHA-256. The one place that decides what "the same" means."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

FINGERPRINT_VERSION = 1
"""Bumped when hashing itself changes; it is part of every fingerprint, so old results are not mistaken for new."""


def canonical(value: Any) -> str:
    """Return `value` as canonical JSON: sorted keys, no spaces, UTF-8; raises TypeError for anything else.

    There is deliberately no `default=`: an object that JSON does not know has no stable identity.
    """
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)
"""Made once: making it takes as long as encoding a request."""


def digest(value: Any) -> str:
    """Return the SHA-256 of the canonical JSON of `value`, as 64 hexadecimal digits."""
    return digest_canonical(canonical(value))


def digest_canonical(text: str) -> str:
    """Return the digest of a value given as canonical JSON already: `digest(v)` for `canonical(v)`."""
    return hashlib.sha256(f"{FINGERPRINT_VERSION}:{text}".encode()).hexdigest()


def short(value: Any, length: int = 16) -> str:
    """Return the first `length` digits of `digest(value)`: ids of rows, nodes and requests."""
    return digest(value)[:length]


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in blocks; raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
