"""Progress that people see: bars with rates and remaining time in a terminal, plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from engine.system.plain_text import clean

FEW = 2
"""Items after the first that must be through before anything is said of the time that is left."""
PLAIN_SECONDS = 15.0
"""How often a plain line is printed for one piece of work."""


class _Rate(ProgressColumn):
    """Finished items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class ConsoleReporter:
    """Shows what a run is doing; `close` must be called before anything else is printed."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        """Write to `console`; `quiet` shows nothing but warnings."""
        self._console, self._quiet = console, quiet
        self._bars: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[ConsoleReporter]:
        """Show bars while the block runs, where the console is a terminal."""
        if self._quiet or not self._console.is_terminal:
            yield self
            return
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            _Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        try:
            with self._bars:
                yield self
        finally:
            self._bars = None

    def say(self, text: str) -> None:
        """Print one line, above the bars."""
        if not self._quiet:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print one line that is shown even when quiet."""
        self._console.print(f"warning: {text}", style="yellow", highlight=False, markup=False)

    def open(self, what: str, total: int) -> Bar:
        """Start a piece of work of `total` items; the result is called with the number just finished."""
        return Bar(self, self._bars, what, total)


class Bar:
    """One piece of work: a bar in a terminal, else a plain line now and then. `note` stands beside it."""

    def __init__(
        self, reporter: ConsoleReporter, bars: Progress | None, what: str, total: int
    ) -> None:
        """Begin; `bars` is None where there is no terminal."""
        self._reporter, self._bars, self._what, self._total = reporter, bars, clean(what), total
        self._task = None if bars is None else bars.add_task(self._what, total=total)
        self._last = time.monotonic()
        self._done = 0
        self._first: tuple[float, int] | None = None
        """When the first items were through, and how many: before it, weights are loaded, too."""
        self.note = ""

    def __call__(self, finished: int) -> None:
        """Count items just finished."""
        self._done += finished
        if self._bars is not None and self._task is not None:
            self._show(self._bars, self._task, finished)
            return
        now = time.monotonic()
        self._first = self._first or (now, self._done)
        if self._done < self._total and now - self._last >= PLAIN_SECONDS:
            self._last = now
            note = f" ({self.note})" if self.note else ""
            self._reporter.say(
                f"  {self._what}: {self._done}/{self._total}{self._estimate(now)}{note}"
            )

    def _estimate(self, now: float) -> str:
        """Return the rate since the first items, and the time that the others take by it; empty before a few."""
        began, first = self._first or (now, self._done)
        if self._done - first < FEW or now <= began:
            return ""
        rate = (self._done - first) / (now - began)
        return f", {rate:.1f}/s, about {(self._total - self._done) / rate:.0f} s left"

    def _show(self, bars: Progress, task: TaskID, finished: int) -> None:
        shown = f"{self._what}  {self.note}" if self.note else self._what
        bars.update(task, advance=finished, description=shown)
        state = next((known for known in bars.tasks if known.id == task), None)
        if state is not None and state.finished:
            bars.remove_task(task)
