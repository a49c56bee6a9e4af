"""What a run reports to its observer: lines, warnings and progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

LOG_SECONDS = 15.0
"""How often the log is told how far one piece of work is."""

_log = logging.getLogger(__name__)


class Advance(Protocol):
    """One piece of work: called with the number of items just finished."""

    note: str
    """Shown beside the count: rates, retries, cost."""

    def __call__(self, finished: int) -> None:
        """Count items just finished."""
        ...


class Reporter(Protocol):
    """Who watches a run."""

    def say(self, text: str) -> None:
        """Take one line."""
        ...

    def warn(self, text: str) -> None:
        """Take one line that must not be missed."""
        ...

    def open(self, what: str, total: int) -> Advance:
        """Begin a piece of work of `total` items."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run."""

    kind: Literal["line", "warning", "progress"]
    text: str
    """The line; for progress, what is worked on."""
    done: int = 0
    """Items finished."""
    total: int = 0
    note: str = ""


class Callback:
    """Passes everything that a run reports to one function."""

    def __init__(self, tell: Callable[[Event], None] | None = None) -> None:
        """Take the function; without one nothing is reported."""
        self._tell = tell or (lambda event: None)

    def say(self, text: str) -> None:
        """Hand on one line."""
        self._tell(Event("line", text))

    def warn(self, text: str) -> None:
        """Hand on a warning."""
        self._tell(Event("warning", text))

    def open(self, what: str, total: int) -> Advance:
        """Begin a piece of work."""
        return _Counted(self._tell, what, total)


class _Counted:
    def __init__(self, tell: Callable[[Event], None], what: str, total: int) -> None:
        self._tell, self._what, self._total, self._done = tell, what, total, 0
        self.note = ""

    def __call__(self, finished: int) -> None:
        self._done += finished
        self._tell(Event("progress", self._what, self._done, self._total, self.note))


class Logged:
    """Logs what a run reports, and hands it on."""

    def __init__(self, watcher: Reporter) -> None:
        """Take who watches the run."""
        self._watcher = watcher

    def say(self, text: str) -> None:
        """Log one line, and hand it on."""
        _log.info("%s", text)
        self._watcher.say(text)

    def warn(self, text: str) -> None:
        """Log a warning, and hand it on."""
        _log.warning("%s", text)
        self._watcher.warn(text)

    def open(self, what: str, total: int) -> Advance:
        """Begin a piece of work."""
        return _LoggedAdvance(self._watcher.open(what, total), what, total)


class _LoggedAdvance:
    """Tells the log, at the level debug, how far a piece of work is: at its end, and now and then before."""

    def __init__(self, inner: Advance, what: str, total: int) -> None:
        self._inner, self._what, self._total, self._done = inner, what, total, 0
        self._last = time.monotonic()
        self.note = ""

    def __call__(self, finished: int) -> None:
        self._done += finished
        self._inner.note = self.note
        self._inner(finished)
        now = time.monotonic()
        if self._done >= self._total or now - self._last >= LOG_SECONDS:
            self._last = now
            fields = {"done": self._done, "total": self._total, "note": self.note}
            _log.debug(
                "%s: %d of %d", self._what, self._done, self._total, extra={"fields": fields}
            )
