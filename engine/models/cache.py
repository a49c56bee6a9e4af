"""The cache of model weights: where it is, and folders in it that are either whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import ModelError
from engine.fingerprint import file_digest

MANIFEST = "manifest.json"
"""Written last into a cached folder: the size and SHA-256 of every other file in it."""


def cache_root() -> Path:
    """Return the cache folder: `PADA_CACHE`, or `pada` under `XDG_CACHE_HOME` or `~/.cache`."""
    if chosen := os.environ.get("PADA_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pada"


def is_whole(folder: Path) -> bool:
    """Return whether every file of the manifest is there with its size; reads no contents."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return bool(files) and all(
            (folder / name).stat().st_size == entry["bytes"] for name, entry in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def write_manifest(folder: Path, origin: str) -> None:
    """Record the files of a finished folder and where they came from; raises OSError."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_digest(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    text = json.dumps({"origin": origin, "files": files}, indent=1)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


@contextmanager
def filling(target: Path) -> Iterator[Path | None]:
    """Yield an empty folder that becomes `target` at the end, or None when `target` is whole.

    Two processes that want the same folder do the work once: the second waits for the lock. The
    new folder appears by one rename, so that a reader sees all of it or nothing; what a killed
    process left is removed.

    Raises:
        ModelError: the cache cannot be written (no disk space, no permission).
    """
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{target.name}.lock"):
            if is_whole(target):
                yield None
                return
            for leftover in target.parent.glob(f".{target.name}.new-*"):
                shutil.rmtree(leftover)
            fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.new-", dir=target.parent))
            try:
                yield fresh
                fresh.chmod(0o755)
                if target.exists():
                    shutil.rmtree(target)
                fresh.rename(target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
    except OSError as problem:
        raise ModelError(
            f"cannot write the model cache {target.parent}: {problem}",
            "free some space (fetching needs about 600 MB), or set PADA_CACHE to another folder",
        ) from problem
