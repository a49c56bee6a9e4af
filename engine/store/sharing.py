"""Who of one process may have the store's file open: any number of readers beside each other, or one who writes.

DuckDB refuses to open a file for reading and for writing in one process. Between processes its own lock says so.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator


class Door:
    """Lets threads in: readers together, a writer alone. Who is in already is let in again, whatever it asks for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers: dict[int, int] = {}
        """Thread -> how many times it is in."""
        self._writer, self._depth = 0, 0

    @contextlib.contextmanager
    def entered(self, *, write: bool, wait: float) -> Iterator[bool]:
        """Be in for a block; False, and not in, where `wait` seconds were not enough."""
        me = threading.get_ident()
        with self._changed:
            free = self._no_other(me) if write else lambda: self._writer in (0, me)
            is_in = self._changed.wait_for(free, min(wait, threading.TIMEOUT_MAX))
            if is_in and write:
                self._writer, self._depth = me, self._depth + 1
            elif is_in:
                self._readers[me] = self._readers.get(me, 0) + 1
        try:
            yield is_in
        finally:
            if is_in:
                self._leave(me, write)

    def _no_other(self, me: int) -> Callable[[], bool]:
        return lambda: self._writer in (0, me) and not self._readers.keys() - {me}

    def _leave(self, me: int, write: bool) -> None:
        with self._changed:
            if write:
                self._depth -= 1
                self._writer = me if self._depth else 0
            else:
                self._readers[me] -= 1
                if not self._readers[me]:
                    del self._readers[me]
            self._changed.notify_all()


class Stop:
    """Ends the questions that one thread asks of the store, from another one; those that come later too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self.asked = False
        """Whether they are to end."""

    def __call__(self) -> None:
        """End what is going on. A statement that begins at this very moment may not hear it: call again."""
        with self._lock:
            self.asked = True
            if self._interrupt is not None:
                self._interrupt()

    @contextlib.contextmanager
    def ending(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Call `interrupt` where it is to end while the block goes on."""
        with self._lock:
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None
