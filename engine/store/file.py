"""Opening DuckDB's file, for short moments: waiting for others, and turning its errors into ours.

DuckDB locks the file as long as a process has it open (readers shut out the writer and the other way round), so
nothing here keeps a connection longer than its block.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import StoreError
from engine.store.sharing import Door
from engine.system.files import private

if TYPE_CHECKING:
    import duckdb

FILE = "store.duckdb"
CLOSED_OFF: Mapping[str, str] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "lock_configuration": "true",
}
"""How every store is opened: nothing that it holds, a view or a statement over it, reaches a file or the network."""
_MARK = b"DUCK"
_MARKED_AT = 8
"""Where DuckDB's files have it, behind a checksum."""
WRITERS_MEMORY = "2GB"
"""What DuckDB may take while the store is written, beside a run's models; it goes to disk beyond that."""
Notice = Callable[[str], None]
"""Is told, once, that a file must be waited for."""

_DAMAGED = ("Corrupt database file", "does not match stored checksum", "Failed to deserialize")
_DISK_FULL = ("No space left", "not enough space", "Disk quota exceeded")
_DOOR = Door()


class Busy(StoreError):
    """Another process has the file open; `pid` is its number where DuckDB names it."""

    def __init__(self, path: Path, pid: int | None) -> None:
        """Take the file and its holder."""
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{path} is held open by {who}",
            "close that DuckDB client (a notebook, a shell, a viewer) and try again; nothing is lost",
        )


def connect(path: Path, *, write: bool) -> duckdb.DuckDBPyConnection:
    """Open the file once, closed off, without waiting; raises Busy or another StoreError."""
    import duckdb

    _refuse_other_files(path)
    bounds = {"memory_limit": WRITERS_MEMORY} if write else {}
    try:
        return duckdb.connect(str(path), read_only=not write, config={**CLOSED_OFF, **bounds})
    except duckdb.Error as error:
        raise translated(error, path) from error


def _refuse_other_files(path: Path) -> None:
    """Refuse what is no DuckDB file before DuckDB looks at it: for an SQLite file it would fetch an extension."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StoreError(
                f"{path} is a link: what a run writes would go to another file",
                "name the folder of the file itself with --state",
            ) from None
        raise StoreError(
            f"{path}: not accessible", "check the permissions, or use another folder with --state"
        ) from None
    try:
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
        if not is_file or os.pread(handle, len(_MARK), _MARKED_AT) != _MARK:
            raise StoreError(
                f"{path} is not a DuckDB file", "move it away, or use another folder with --state"
            )
    finally:
        os.close(handle)


@contextlib.contextmanager
def opened(
    path: Path,
    *,
    write: bool,
    wait: float,
    notice: Notice | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file for a block, trying for `wait` seconds while others hold it; raises Busy, StoreError."""
    with _DOOR.entered(write=write, wait=wait) as is_in:
        if not is_in:
            raise Busy(path, os.getpid())
        # DuckDB makes its log beside the file as others' to read.
        with private() if write else contextlib.nullcontext():
            connection = _patiently(path, write, wait, notice)
            try:
                yield connection
            except Exception as error:
                if is_damaged(error):
                    raise translated(error, path) from error
                raise
            finally:
                connection.close()


def _patiently(
    path: Path, write: bool, wait: float, notice: Notice | None
) -> duckdb.DuckDBPyConnection:
    start = time.monotonic()
    pause, has_notified = 0.01, False
    while True:
        try:
            return connect(path, write=write)
        except Busy as busy:
            waited = time.monotonic() - start
            if waited >= wait:
                raise
            if notice is not None and not has_notified and waited > 0.5:
                has_notified = True
                notice(f"waiting: {busy.message}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def is_disk_full(error: Exception) -> bool:
    """Say whether DuckDB could not write for want of space; any kind of its errors may say so."""
    return any(words in str(error) for words in _DISK_FULL)


def is_damaged(error: Exception) -> bool:
    """Say whether DuckDB found the file's content not to be what it wrote, which it may find at any question."""
    import duckdb

    return isinstance(error, duckdb.Error) and any(words in str(error) for words in _DAMAGED)


def translated(error: Exception, path: Path) -> StoreError:
    """Return our error for one of DuckDB's about the file itself."""
    text = str(error)
    first = text.split("\n", 1)[0]
    if "Could not set lock on file" in text or "different configuration" in text:
        holder = re.search(r"\(PID (\d+)\)", text)
        return Busy(path, int(holder[1]) if holder else None)
    if is_disk_full(error):
        return StoreError(
            f"{path}: the disk is full", "free some space (`pada clean` shows what can go)"
        )
    if "Permission denied" in text or "Read-only file system" in text:
        return StoreError(
            f"{path}: not accessible", "check the permissions, or use another folder with --state"
        )
    if "not a valid DuckDB database file" in text:
        return StoreError(
            f"{path} is not a DuckDB file", "move it away, or use another folder with --state"
        )
    if "does not exist" in text or "No such file" in text:
        return StoreError(
            f"there is no store at {path}", "`pada run RECIPE` makes one; --state names its folder"
        )
    return StoreError(
        f"{path}: {first}", "if the file is damaged, move it away: the next run makes a new one"
    )
