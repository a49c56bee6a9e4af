"""The driver's end of what workers report: each message reaches whoever watches the run."""

from __future__ import annotations

from engine.run.executors.messages import Told
from engine.run.progress import Advance, Reporter


class Hearing:
    """Hands on what one worker reports."""

    def __init__(self, reporter: Reporter) -> None:
        """Take who watches the run."""
        self._reporter = reporter
        self._works: dict[int, Advance] = {}

    def take(self, told: Told) -> None:
        """Hand on one message."""
        if told.kind == "line":
            self._reporter.say(told.text)
        elif told.kind == "warning":
            self._reporter.warn(told.text)
        elif told.kind == "open":
            self._works[told.number] = self._reporter.open(told.text, told.amount)
        elif (work := self._works.get(told.number)) is not None:
            work.note = told.text
            work(told.amount)

    def forget(self) -> None:
        """Forget the pieces of work that were opened: they are over, or whoever did them has died."""
        self._works.clear()
