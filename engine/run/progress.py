"""What a run reports to its observer: lines, warnings and progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol


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
