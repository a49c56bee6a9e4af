"""Files and folders that are there whole or not at all, also after a crash of the machine."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

from engine.system import platforms


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file or make a folder at; at the end it is flushed and becomes `path`.

    What was at `path` before stays until then, and for good when the block raises.

    Raises:
        OSError: it cannot be written, flushed or renamed.
    """
    # A name that nobody can know before: two that write the same file must not take each other's half away, and in a
    # folder that somebody else made no link may wait there.
    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(8)}.part")
    try:
        yield part
        sync_all(part)
        if part.is_dir():
            # A folder cannot be put over another one.
            _remove(path)
        part.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            _remove(part)


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all; raises OSError."""
    with replacing(path) as part:
        _write_new(part, text.encode(), 0o666)


def write_private(path: Path, content: str | bytes) -> None:
    """Write a file that its user alone may read, whole or not at all, in folders made for it; raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path) as part:
        _write_new(part, content if isinstance(content, bytes) else content.encode(), 0o600)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet; raises OSError where something is, also a link."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)


_PRIVATE = 0o077
_umask_lock = threading.Lock()
_umasks: list[int] = []
"""What the process had before each block that is at work."""


@contextlib.contextmanager
def private() -> Iterator[None]:
    """Make all that is new in the block its user's alone, 0700 and 0600, also what libraries and children write.

    It is the process's umask: other threads write private files for as long, too.
    """
    with _umask_lock:
        _umasks.append(os.umask(_PRIVATE))
    try:
        yield
    finally:
        with _umask_lock:
            # The first block's is the process's own; blocks of several threads end in any order.
            usual = _umasks[0]
            _umasks.pop()
            os.umask(_PRIVATE if _umasks else usual)


def sync_all(path: Path) -> None:
    """Wait until a file, or a folder with all that is in it, is on the disk; raises OSError."""
    if path.is_dir():
        for inner in path.iterdir():
            sync_all(inner)
        sync_folder(path)
    else:
        _sync(path)


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries (not what they hold) are on the disk; raises OSError."""
    try:
        _sync(folder)
    except OSError as error:
        # Some network file systems flush files and know no flushing of folders.
        if error.errno not in {errno.EINVAL, errno.EBADF}:
            raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        platforms.sync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
