"""Where operating systems differ. Linux and macOS are supported; what only one of them has is asked for here alone.

What every POSIX system has (sessions, process groups, signals) is used where it is needed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from engine.errors import EngineError

_PR_SET_PDEATHSIG = 1


def require_supported() -> None:
    """Raise EngineError on a system that the engine does not run on; called before anything else."""
    if os.name != "posix":
        raise EngineError(
            f"PaDA Engine runs on Linux and macOS, not yet on this system ({sys.platform})",
            "on Windows install it inside WSL 2 (https://learn.microsoft.com/windows/wsl) and run it there",
        )


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use: all of them where a process cannot be confined."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_cores() -> int:
    """Return the number of physical cores that this process may use, as far as the system tells them from CPUs."""
    import psutil

    cpus = usable_cpus()
    return min(psutil.cpu_count(logical=False) or cpus, cpus)


def sync(handle: int) -> None:
    """Wait until what was written to an open file (or folder) is on the disk; raises OSError.

    On macOS `fsync` stops at the disk's own cache, which a power cut empties; `F_FULLFSYNC` goes on to the disk.
    """
    import fcntl

    full = getattr(fcntl, "F_FULLFSYNC", None)  # macOS alone
    if full is not None:
        try:
            fcntl.fcntl(handle, full)
            return
        except OSError:  # a file system that does not know it
            pass
    os.fsync(handle)


def is_locked(handle: int) -> bool:
    """Return whether somebody else holds the `flock` of an open file, which is what `filelock` takes; raises OSError.

    A shared lock, given back at once: two that ask at the same time do not take each other for holders.
    """
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(handle, fcntl.LOCK_UN)
    return False


def kill_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; does nothing where the kernel cannot (macOS)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
