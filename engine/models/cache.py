"""The cache of model weights: where it is, and folders in it that are either whole or not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine.errors import ModelError
from engine.fingerprint import file_digest
from engine.system import locks
from engine.system.files import replacing

Say = Callable[[str], None]
"""Told in a few words what is being done now."""

MANIFEST = "manifest.json"
"""Written last into a cached folder: the size and SHA-256 of every other file in it."""


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
def filling(target: Path, say: Say) -> Iterator[Path | None]:
    """Yield an empty folder that becomes `target` at the end, or None when `target` is whole.

    Two processes that want the same folder do the work once: the second waits for the first, and says so. A reader
    sees all of the folder or nothing; what a killed process left is removed.

    Raises:
        ModelError: the cache cannot be written (no disk space, no permission).
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target.parent / f".{target.name}.lock", say):
            if is_whole(target):
                yield None
                return
            for leftover in target.parent.glob(f"{target.name}.*.part"):
                shutil.rmtree(leftover)
            with replacing(target) as part:
                part.mkdir()
                yield part
    except OSError as problem:
        raise ModelError(
            f"cannot write the model cache {target.parent}: {problem}",
            "free some space (fetching needs about 600 MB), or set PADA_CACHE to another folder",
        ) from problem


@contextmanager
def _alone(lock: Path, say: Say) -> Iterator[None]:
    """Hold a lock, for however long another holds it before."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.hold(lock, wait=0.5))
        except locks.HeldError as held:
            say(f"waiting for process {held.holder.pid}, which fetches the same model")
            stack.enter_context(locks.hold(lock, wait=float("inf")))
        yield
