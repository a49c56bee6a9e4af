"""Times in text columns: which values SQL's `TIMESTAMP` reads, and as what. An offset from UTC is not looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

_TIME = re.compile(
    r"\s*(?P<date>\d{4}-\d{2}-\d{2})(?:[ T](?P<clock>\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\d*"
    r"\s*(?:Z|[+-]\d{2}(?::?\d{2})?)?)?\s*"
)


def time_of(value: Any) -> datetime | None:
    """Return a value as a time, where it is text that says a day (`2026-03-01`) or a moment; else None."""
    said = _TIME.fullmatch(value) if isinstance(value, str) else None
    if said is None:
        return None
    try:
        return datetime.fromisoformat(f"{said['date']}T{said['clock'] or '00:00'}")
    except ValueError:
        return None


def no_times(values: Iterable[Any]) -> list[Any]:
    """Return the values that are not times and no numbers, which may count seconds; None is left out."""
    return [
        value
        for value in values
        if value is not None and not isinstance(value, int | float) and time_of(value) is None
    ]
