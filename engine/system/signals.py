"""How work ends when its process is told to end: as by Ctrl-C, so that what is temporary goes and the rest stays."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_ENDS = (signal.SIGTERM, signal.SIGHUP)
"""A process manager's word, and that of a terminal that is closed."""


@contextlib.contextmanager
def ends_as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block where the process is told to end; what it ignores stays ignored.

    Only the main thread hears signals: elsewhere the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.getsignal(one) for one in _ENDS}
    # `nohup` starts a process that ignores its terminal's end; who embeds the engine may have handlers of their own.
    ours = [one for one, handler in before.items() if handler is signal.SIG_DFL]
    for one in ours:
        signal.signal(one, _interrupt)
    try:
        yield
    finally:
        for one in ours:
            signal.signal(one, before[one])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def was_interrupted(error: BaseException) -> bool:
    """Return whether an error is what a library made of an interruption.

    A compiled one that is being loaded when the process is told to end says that its initialization failed.
    """
    if not isinstance(error, ImportError):
        return False
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, KeyboardInterrupt):
            return True
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return False
