"""Telling work in other threads of this process that it is to end: only the main thread hears signals.

Whoever works in a thread and may take long looks whether it was told (`check`), or says what wakes it up (`heard`).
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from engine.errors import Interrupted


class Stop:
    """The word that work is to end, said once, to all that began under it and to all that begin later."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self._lock = threading.Lock()
        self._ways: dict[int, Callable[[], object]] = {}
        self._next = 0
        self.told = False

    def tell(self) -> None:
        """Say it, and wake up those who wait."""
        with self._lock:
            self.told = True
            ways = list(self._ways.values())
        for way in ways:
            way()

    @contextlib.contextmanager
    def heard(self, way: Callable[[], object]) -> Iterator[None]:
        """Have `way` called, in whatever thread, where the word is said during the block, or was said before it."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._ways[number] = way
            told = self.told
        try:
            if told:
                way()
            yield
        finally:
            with self._lock:
                del self._ways[number]


_CURRENT: ContextVar[Stop | None] = ContextVar("stop", default=None)


@contextlib.contextmanager
def under(stop: Stop) -> Iterator[None]:
    """Let a word count for what this thread does in the block."""
    before = _CURRENT.set(stop)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def heard(way: Callable[[], object]) -> contextlib.AbstractContextManager[None]:
    """Have `way` called where this thread's work is told to end during the block; see `Stop.heard`."""
    stop = _CURRENT.get()
    return contextlib.nullcontext() if stop is None else stop.heard(way)


def told() -> bool:
    """Return whether this thread's work was told to end."""
    stop = _CURRENT.get()
    return stop is not None and stop.told


def check() -> None:
    """Raise Interrupted where this thread's work was told to end."""
    if told():
        raise Interrupted("stopped")
