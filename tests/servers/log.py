"""What came into the endpoint: every request with its headers and body, and questions tests have about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Asked:
    """One request that came in; times are seconds since the epoch."""

    row: str
    """The mark in its messages (`replies.marked`), else their hash."""
    key: str
    """Hash of the whole body."""
    messages: str
    """Hash of the messages."""
    attempt: int
    """How often the row was asked before."""
    fault: str | None
    at: float
    headers: dict[str, str]
    body: dict[str, Any]
    answered: bool = False
    """Whether a usable reply was written out to the last byte."""
    done: float | None = None
    """When whatever was answered was written out; None while it is under way, and when it was cut off."""


class Log:
    """What came in, in order."""

    def __init__(self, asked: Iterable[Asked] = ()) -> None:
        """Take what is known already."""
        self.asked = list(asked)

    def __len__(self) -> int:
        return len(self.asked)

    @property
    def rows(self) -> Counter[str]:
        """How often each row was asked."""
        return Counter(each.row for each in self.asked)

    @property
    def faults(self) -> Counter[str]:
        """How often each fault was met."""
        return Counter(each.fault for each in self.asked if each.fault is not None)

    @property
    def answered(self) -> set[str]:
        """Rows that got a usable reply."""
        return {each.row for each in self.asked if each.answered}

    def asked_again(self) -> list[Asked]:
        """Return the requests for rows whose usable reply had been written out before they came."""
        ends: dict[str, float] = {}
        for each in self.asked:
            if each.answered and each.done is not None:
                ends[each.row] = min(each.done, ends.get(each.row, each.done))
        return [each for each in self.asked if each.at > ends.get(each.row, each.at)]

    def of(self, row: object) -> list[Asked]:
        """Return the requests for one row, in order."""
        return [each for each in self.asked if each.row == str(row)]

    @classmethod
    def read(cls, entries: Sequence[Mapping[str, Any]]) -> Log:
        """Return what `GET /control/log` sent."""
        return cls(Asked(**entry) for entry in entries)
