"""Windows of a column of times: from when on, until when, and in between, cut where a tenth of the rows is past."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any, NamedTuple

from engine.sql.times import time_of

MOSTLY = 0.9
"""Share of a column's values that must be times: others fall into no window."""
PARTS = 10


class Window(NamedTuple):
    """A stretch of time, from `start` on and before `end`; None is open."""

    start: datetime | None
    end: datetime | None

    def sql(self, column: str) -> str:
        """Return the condition; what is no time is in no window."""
        moment = f"try_cast({column} AS TIMESTAMP)"
        parts = [
            f"{moment} {sign} TIMESTAMP '{_shown(end)}'"
            for sign, end in ((">=", self.start), ("<", self.end))
            if end is not None
        ]
        return " AND ".join(parts)

    @property
    def said(self) -> str:
        """In words."""
        parts = [
            f"{word} {_shown(end)}"
            for word, end in (("from", self.start), ("before", self.end))
            if end is not None
        ]
        return " and ".join(parts) + (" on" if self.end is None else "")


def times_in(values: Sequence[Any]) -> list[datetime] | None:
    """Return the times among values; None where they are too few for the column to be one of times."""
    times = [time for value in values if (time := time_of(value)) is not None]
    return times if times and len(times) >= MOSTLY * len(values) else None


def windows(times: Sequence[datetime]) -> Iterator[Window]:
    """Yield every window between two of the times that cut the rows into PARTS, or between one and no end."""
    ordered = sorted(times)
    step = _step(ordered[-1] - ordered[0])
    cuts = [ordered[len(ordered) * part // PARTS] for part in range(1, PARTS)]
    rounded = dict.fromkeys(_down(cut, step) for cut in cuts)
    ends: list[datetime | None] = [None, *(cut for cut in rounded if cut > ordered[0]), None]
    for start, end in combinations(range(len(ends)), 2):
        if ends[start] is not None or ends[end] is not None:
            yield Window(ends[start], ends[end])


def _step(span: timedelta) -> timedelta:
    """Return to what cuts are rounded down: days, hours or minutes, so that a tenth of the span is longer."""
    steps = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1))
    return next((step for step in steps if span >= PARTS * step), timedelta(microseconds=1))


def _down(moment: datetime, step: timedelta) -> datetime:
    start = datetime(1970, 1, 1)  # noqa: DTZ001  Times in a log are compared as they are written.
    return start + (moment - start) // step * step


def _shown(moment: datetime) -> str:
    if (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0):
        return moment.date().isoformat()
    return moment.isoformat(
        " ", "minutes" if not moment.second and not moment.microsecond else "auto"
    )
