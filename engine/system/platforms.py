"""Where operating systems differ. Linux and macOS are supported; what only one of them has is asked for here alone.

What every POSIX system has (sessions, process groups, signals) is used where it is needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import EngineError

_PR_SET_PDEATHSIG = 1
DEADLINE = int(signal.SIGPROF)
"""The signal that ends a process whose time is up (`bounded`)."""
_SURE = 0.5
"""Share of the machine's memory that something may be promised at most."""


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


def system_name() -> str:
    """Return what system this is and in which version, for reports of bugs."""
    import platform

    return platform.platform()


def processor_name() -> tuple[str, str]:
    """Return the processor, as far as the system names it, and its kind (x86_64, arm64, …)."""
    import platform

    return platform.processor(), platform.machine()


def memory_is_bounded() -> bool:
    """Return whether the system holds a process to the memory it may have; macOS takes such limits and forgets them."""
    return sys.platform == "linux"


def most_resident() -> int:
    """Return the most memory that this process ever held, in bytes."""
    import resource

    # In KiB but on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def sure_memory(gigabytes: float) -> float:
    """Return so much memory, or half of what the machine has, where that is less."""
    import psutil

    return min(gigabytes, psutil.virtual_memory().total * _SURE / 1e9)


@contextlib.contextmanager
def bounded(seconds: float, memory: int) -> Iterator[None]:
    """Have the kernel end this process where the block computes for longer, and refuse it more memory.

    Args:
        seconds: Of computing, of all threads together.
        memory: Bytes beside what the process holds now; `memory_is_bounded` says where that is of effect.
    """
    import resource

    # What is written to, not what is set aside: DuckDB sets aside half a gigabyte for each database.
    held = resource.getrlimit(resource.RLIMIT_DATA)
    if memory_is_bounded():
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        most = pages * resource.getpagesize() + memory
        most = most if held[1] == resource.RLIM_INFINITY else min(most, held[1])
        resource.setrlimit(resource.RLIMIT_DATA, (most, held[1]))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_DATA, held)


@contextlib.contextmanager
def held(pid: int) -> Iterator[Callable[[signal.Signals], None]]:
    """Give what sends signals to a process, and to no other one that has its number later; raises ProcessLookupError.

    Where the system cannot hold a process (macOS), the number alone tells which one it is.
    """
    if not hasattr(os, "pidfd_open"):
        yield lambda number: os.kill(pid, number)
        return
    handle = os.pidfd_open(pid)
    try:
        yield lambda number: signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def ignores(pid: int, number: signal.Signals) -> bool:
    """Return whether a process ignores a signal; False where the system does not say (macOS)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    ignored = next((line.split()[1] for line in lines if line.startswith("SigIgn:")), "0")
    return bool(int(ignored, 16) >> (number - 1) & 1)
