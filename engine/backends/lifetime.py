"""How long a child process lives: never longer than its parent, however that came about to die.

Loads next to nothing but the standard library: a child ties itself to its parent before it imports anything heavy.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time

from engine.system import platforms

_EVERY = 0.5
"""Seconds between two looks at the parent."""


def die_with(parent: int) -> None:
    """Tie this process to its parent: it is killed when the parent is gone."""
    platforms.kill_with_parent()
    # The parent may have died before the line above, and other systems have no such call.
    _end_if_orphan(parent, group=False)
    threading.Thread(target=_watch, args=(parent, False), daemon=True).start()


def die_with_all(parent: int) -> None:
    """Tie this process and those that it starts to its parent; it must lead a process group of its own.

    The kernel's own signal would end this process alone, and leave nothing to end the others.
    """
    _end_if_orphan(parent, group=True)
    threading.Thread(target=_watch, args=(parent, True), daemon=True).start()


def _end_if_orphan(parent: int, group: bool) -> None:
    if os.getppid() == parent:
        return
    if group:
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _watch(parent: int, group: bool) -> None:
    while True:
        time.sleep(_EVERY)
        _end_if_orphan(parent, group)


def end(child: subprocess.Popen[bytes], patience: float) -> None:
    """End a child that leads a process group, and all that is in it.

    Args:
        child: The process; it may have ended already.
        patience: Seconds that it may take to end by itself.
    """
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    # Its own children may be left even where it has ended.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
