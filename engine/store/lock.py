"""The run lock: one run (or clean-up) at a time per state folder, gone with the process that holds it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.errors import RunError
from engine.store.spool import disk_error
from engine.system import locks

_FILE = "run.lock"


class Holder(NamedTuple):
    """Who holds the run lock; `run` is empty before a run has its number, `pid` 0 where it is not known."""

    pid: int
    run: str


class RunLock:
    """A held run lock."""

    def __init__(self, lock: locks.Lock) -> None:
        """Take the lock."""
        self._lock = lock

    def name(self, run: str) -> None:
        """Say for which run it is held, for the messages of others."""
        self._lock.describe(run)


def holder(state: Path) -> Holder | None:
    """Return who holds the run lock of a state folder, None when it is free; raises StoreError as `hold` does."""
    try:
        process = locks.holder(state / _FILE)
    except OSError as error:
        raise disk_error(error, state / _FILE) from error
    return Holder(process.pid, process.note) if process is not None else None


@contextlib.contextmanager
def hold(state: Path, wait: float = 0.5) -> Iterator[RunLock]:
    """Hold the run lock for the block, waiting up to `wait` seconds for another holder.

    Raises:
        RunError: another process has it; the message names it and its run.
        StoreError: the lock's file cannot be written, or its file system has no locks.
    """
    path = state / _FILE
    with contextlib.ExitStack() as stack:
        try:
            lock = stack.enter_context(locks.hold(path, wait))
        except locks.HeldError as held:
            raise taken(state, Holder(held.holder.pid, held.holder.note)) from None
        except OSError as error:
            raise disk_error(error, path) from error
        yield RunLock(lock)


def taken(state: Path, other: Holder) -> RunError:
    """Return what is said to who wants the run lock of a state folder that another process has."""
    run = f" ({other.run})" if other.run else ""
    who = f"process {other.pid}" if other.pid else "another process"
    return RunError(
        f"a run{run} is going on in {state}, in {who}",
        "wait for it to end, or use another folder with --state",
    )
