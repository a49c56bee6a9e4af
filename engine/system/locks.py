"""Locks between processes: held by one at a time, and gone with the process that holds it, however it ends.

The kernel keeps them; the text in a lock's file only tells others who holds it. They need a file system with locks,
which all local ones are.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.system import platforms


class Holder(NamedTuple):
    """Who holds a lock."""

    pid: int
    """0 where it is not known."""
    note: str
    """What it says of itself, perhaps nothing."""


class HeldError(Exception):
    """Another process (or another lock of this one) holds a lock."""

    def __init__(self, holder: Holder) -> None:
        """Take who holds it."""
        super().__init__(f"held by process {holder.pid}")
        self.holder = holder


class Lock:
    """A held lock."""

    def __init__(self, handle: int) -> None:
        """Take the open, locked file, which stays somebody else's to close."""
        self._handle = handle
        self.describe("")

    def describe(self, note: str) -> None:
        """Tell others what it is held for; raises OSError."""
        text = json.dumps({"pid": os.getpid(), "note": note}).encode()
        os.pwrite(self._handle, text, 0)
        os.ftruncate(self._handle, len(text))


@contextlib.contextmanager
def hold(path: Path, wait: float) -> Iterator[Lock]:
    """Hold the lock of the file `path` for the block; the file is made where needed and stays.

    Args:
        path: The lock's file, in a folder that exists.
        wait: Seconds to wait for another holder; `inf` waits without end.

    Raises:
        HeldError: another holds it for that long.
        OSError: the file cannot be written, or its file system has no locks.
    """
    from filelock import FileLock, Timeout

    held: list[Lock] = []
    # Without `fallback_to_soft=False` a file that a killed process left would be taken for its lock.
    lock = FileLock(
        path,
        timeout=-1 if wait == float("inf") else wait,
        fallback_to_soft=False,
        on_acquired=lambda handle: held.append(Lock(handle)),
    )
    try:
        lock.acquire()
    except Timeout:
        raise HeldError(holder(path) or Holder(0, "")) from None
    try:
        yield held[0]
    finally:
        lock.release()


def holder(path: Path) -> Holder | None:
    """Return who holds the lock of the file `path`, None when nobody does; raises OSError where it has no locks.

    Those who ask do not get in each other's way, and it is enough that they may read the file.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return _parse(os.read(handle, 4096)) if platforms.is_locked(handle) else None
    finally:
        os.close(handle)


def lacks_locks(error: OSError) -> bool:
    """Return whether an error of `hold` says that the file system has no locks."""
    return error.errno in {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}


def _parse(content: bytes) -> Holder:
    try:
        known = json.loads(content)
        return Holder(int(known["pid"]), str(known["note"]))
    except (ValueError, KeyError, TypeError):
        return Holder(0, "")
