"""The run lock: one run (or clean-up) at a time per state folder, gone with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.errors import RunError
from engine.store.spool import disk_error


class Holder(NamedTuple):
    """Who holds the run lock; `run` is empty before a run has its number."""

    pid: int
    run: str


def holder(state: Path) -> Holder | None:
    """Return who holds the run lock of a state folder, None when it is free."""
    try:
        file = os.open(state / "run.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        # Shared and at once given back: a run that is just starting tries again.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        try:
            known = json.loads(os.read(file, 4096))
            return Holder(int(known["pid"]), str(known["run"]))
        except (ValueError, KeyError):
            return Holder(0, "")
    finally:
        os.close(file)
    return None


class RunLock:
    """A held run lock."""

    def __init__(self, file: int) -> None:
        """Take the open, locked file."""
        self._file = file
        self.name("")

    def name(self, run: str) -> None:
        """Write down who holds the lock, for the messages of others."""
        text = json.dumps({"pid": os.getpid(), "run": run}).encode()
        os.pwrite(self._file, text, 0)
        os.ftruncate(self._file, len(text))


@contextlib.contextmanager
def hold(state: Path, wait: float = 0.5) -> Iterator[RunLock]:
    """Hold the run lock for the block; raises RunError naming the process that has it, StoreError if unwritable."""
    try:
        file = os.open(state / "run.lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise disk_error(error, state / "run.lock") from error
    try:
        _acquire(file, state, wait)
        try:
            lock = RunLock(file)
        except OSError as error:
            raise disk_error(error, state / "run.lock") from error
        yield lock
    finally:
        os.close(file)


def _acquire(file: int, state: Path, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            other = holder(state)
            who = f"process {other.pid}" if other and other.pid else "another process"
            run = f" ({other.run})" if other and other.run else ""
            raise RunError(
                f"a run{run} is going on in {state}, in {who}",
                "wait for it to end, or use another folder with --state",
            ) from None
        return
