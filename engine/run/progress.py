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
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from engine.backends.protocol import Progress as Advance

PLAIN_SECONDS = 15.0
"""How often a plain line is printed for one piece of work."""


class _Rate(ProgressColumn):
    """Finished items per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


class Reporter:
    """Shows what a run is doing; `close` must be called before anything else is printed."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        """Write to `console`; `quiet` shows nothing but warnings."""
        self._console, self._quiet = console, quiet
        self._bars: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[Reporter]:
        """Show bars while the block runs, where the console is a terminal."""
        if self._quiet or not self._console.is_terminal:
            yield self
            return
        self._bars = Progress(
            TextColumn("{task.description}"),
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
            self._console.print(text, highlight=False, markup=False)

    def warn(self, text: str) -> None:
        """Print one line that is shown even when quiet."""
        self._console.print(f"warning: {text}", style="yellow", highlight=False, markup=False)

    def open(self, what: str, total: int) -> Advance:
        """Start a piece of work of `total` items; the result is called with the number just finished."""
        if self._bars is not None:
            return self._bar(self._bars, what, total)
        return self._lines(what, total)

    def _bar(self, bars: Progress, what: str, total: int) -> Advance:
        task = bars.add_task(what, total=total)

        def advance(finished: int) -> None:
            bars.update(task, advance=finished)
            if (
                bars.tasks
                and (state := next((t for t in bars.tasks if t.id == task), None))
                and state.finished
            ):
                bars.remove_task(task)

        return advance

    def _lines(self, what: str, total: int) -> Advance:
        started = time.monotonic()
        last, done = started, 0

        def advance(finished: int) -> None:
            nonlocal last, done
            done += finished
            now = time.monotonic()
            if done < total and now - last >= PLAIN_SECONDS:
                last = now
                rate = done / max(now - started, 1e-9)
                left = (total - done) / rate if rate else 0.0
                self.say(f"  {what}: {done}/{total}, {rate:.1f}/s, about {left:.0f} s left")

        return advance
