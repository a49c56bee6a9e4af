"""The spool: what a run produces, on disk at once, before DuckDB's file is free to take it.

`.pada/spool/<run>/NNNNNN-<random>.jsonl`, append-only; one line `[table, value, …]` per row. A node's rows and its
`node` line are written in one piece into one segment, the `node` line last: without that line there is no node.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from engine.errors import StoreError
from engine.system import locks, platforms
from engine.system.files import private, sync_folder

_FRESH = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY | os.O_APPEND
_DIGITS = 12
"""Of a segment's number, at most."""
SEGMENT_BYTES = 16 * 1024 * 1024
"""A segment that has grown beyond this is closed; ingesting closes smaller ones."""


class Segment(NamedTuple):
    """One spool file; `key` is what the table `ingest` knows it by."""

    key: str
    path: Path


def segments(folder: Path) -> list[Segment]:
    """Return the segments of all runs, oldest first; `folder` is `.pada/spool`."""
    found = sorted(path for path in folder.glob("*/*.jsonl") if path.is_file())
    return [Segment(f"{path.parent.name}/{path.stem}", path) for path in found]


class BrokenLine(StoreError):
    """A line that something else than a crash damaged, or that no engine wrote."""

    def __init__(self, segment: Segment, why: str) -> None:
        """Take the segment and what is wrong with the line."""
        super().__init__(
            f"{segment.path} is damaged ({why})",
            "move the file away; what it holds is done again by the next run",
        )


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a segment, up to what a kill or a power cut tore. A missing file is empty."""
    try:
        with path.open("rb") as stream:
            for text in stream:
                if is_torn(text):
                    return
                yield text
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(error, path) from error


def is_torn(text: bytes) -> bool:
    """Return whether a kill or a power cut tore a line, so that no line behind it is known to be whole."""
    # Pages that never reached the disk read as zeros, which JSON text never holds.
    return not text.endswith(b"\n") or b"\0" in text


def parse(segment: Segment, text: bytes) -> list[Any]:
    """Return a line's table and values; raises BrokenLine for a line that is no row."""
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BrokenLine(segment, str(error)) from error
    if not isinstance(record, list) or len(record) < 2:
        raise BrokenLine(segment, "a line is no list of a table's name and values")
    return record


def disk_error(error: OSError, path: Path) -> StoreError:
    """Return the error to show when a file cannot be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreError(
            f"{path}: the disk is full",
            "free some space (`pada clean` shows what can go) and start the run again: all that was finished is kept",
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return StoreError(
            f"{path}: not writable ({error.strerror})",
            "make the folder writable, or keep the state elsewhere with --state",
        )
    if locks.lacks_locks(error):
        return StoreError(
            f"{path}: its file system has no locks ({error.strerror})",
            "keep the state on a local disk: name a folder there with --state",
        )
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        return StoreError(
            f"{path}: a file stands where a folder is needed", "name a folder with --state"
        )
    return StoreError(
        f"{path}: {error.strerror or error}", "check the disk, then start the run again"
    )


class _Part(NamedTuple):
    """Lines that are written together."""

    data: bytes
    lines: int


def _parts(lines: Iterable[bytes]) -> Iterator[_Part]:
    """Yield lines by as many as a segment holds."""
    waiting: list[bytes] = []
    size = 0
    for text in lines:
        waiting.append(text)
        size += len(text)
        if size >= SEGMENT_BYTES:
            yield _Part(b"".join(waiting), len(waiting))
            waiting, size = [], 0
    if waiting:
        yield _Part(b"".join(waiting), len(waiting))


class Spool:
    """Appends to one run's segments; safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Start after the segments already in `folder` (`.pada/spool/<run>`); raises StoreError."""
        self.folder = folder
        self._lock = threading.RLock()
        self._file: int | None = None
        self._size = 0
        self._dirty = False
        self._nodes: set[str] = set()
        self.waiting = 0
        """Rows in the open segment."""
        try:
            with private():
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, folder) from error
        self._number = max((_number(p) for p in folder.glob("*.jsonl")), default=0)

    def append(self, lines: Iterable[bytes], node: str = "") -> None:
        """Write lines in one piece, durable after the next `flush`; raises StoreError with nothing half-written.

        Of a node with more lines than a segment holds a part is in memory at a time.

        Args:
            lines: They are gone through once.
            node: Whose rows they are, if they are a whole node's.
        """
        coming = _parts(lines)
        first = next(coming, _Part(b"", 0))
        more = len(first.data) >= SEGMENT_BYTES
        with self._lock:
            full = self._size and (more or self._size + len(first.data) > SEGMENT_BYTES)
            # One segment must not hold a node twice: ingesting could not tell its rows apart.
            if full or node in self._nodes:
                self.rotate()
            if node:
                self._nodes.add(node)
            try:
                file = self._file if self._file is not None else self._open()
                self.waiting += self._write(file, chain((first,), coming))
            except OSError as error:
                raise disk_error(error, self.folder) from error
            self._dirty = True

    def _open(self) -> int:
        self._number += 1
        # A name never used before: the store may still remember an earlier segment of this number as ingested.
        path = self.folder / f"{self._number:06d}-{secrets.token_hex(4)}.jsonl"
        self._file = os.open(path, _FRESH, 0o600)
        self._size = 0
        sync_folder(self.folder)
        return self._file

    def _write(self, file: int, parts: Iterable[_Part]) -> int:
        """Write parts one after the other; return how many lines they are."""
        began, lines = self._size, 0
        try:
            for part in parts:
                rest = memoryview(part.data)
                while rest:
                    rest = rest[os.write(file, rest) :]
                self._size += len(part.data)
                lines += part.lines
        except BaseException:
            # A full disk or Ctrl-C in the middle: all of it or nothing.
            os.ftruncate(file, began)
            self._size = began
            raise
        return lines

    def flush(self) -> None:
        """Make everything appended so far survive a crash of the machine; raises StoreError."""
        with self._lock:
            if self._file is None or not self._dirty:
                return
            self._dirty = False
            file = os.dup(self._file)
        try:
            # Outside the lock: an fsync may take long, and appending must not wait for it.
            platforms.sync(file)
        except OSError as error:
            self._dirty = True
            raise disk_error(error, self.folder) from error
        finally:
            os.close(file)

    def rotate(self) -> int:
        """Close the open segment, durably, and return its number; the next row opens a new one."""
        with self._lock:
            self.flush()
            if self._file is not None:
                os.close(self._file)
            self._file, self._size, self.waiting = None, 0, 0
            self._nodes.clear()
            return self._number

    def close(self) -> None:
        """Close the open segment, and remove the folder if no segment is left in it."""
        self.rotate()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def closed(self) -> list[Segment]:
        """Close the open segment and return all segments, of every run, that no process appends to."""
        number = self.rotate()
        return [
            segment
            for segment in segments(self.folder.parent)
            if segment.path.parent != self.folder or _number(segment.path) <= number
        ]


def _number(path: Path) -> int:
    """Return a segment's number; 0 for a file of another name, which somebody else put there."""
    digits = path.stem.split("-")[0]
    return int(digits) if digits.isdecimal() and len(digits) <= _DIGITS else 0


def remove(done: list[Segment], in_use: Path | None = None) -> None:
    """Delete ingested segments, and the folders that this leaves empty, but for the one `in_use`."""
    for segment in done:
        with contextlib.suppress(OSError):
            segment.path.unlink(missing_ok=True)
    for folder in {segment.path.parent for segment in done} - {in_use}:
        with contextlib.suppress(OSError):
            folder.rmdir()
