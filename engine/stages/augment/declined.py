"""Rows that a writer left out: why each is a drop, and which training rows are not given to whom again.

A writer leaves a row out where its seed row's target is plainly wrong: then no operator starts from that row in later
attempts, and it is among the rows whose label may be wrong. Or where it cannot be done, as where there is no name to
exchange: then the same operator does not start from it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.operators import Unread
from engine.rows import Drop, Example, LabelSuspect, Row
from engine.stages.outputs import Attempt

DECLINED = "declined"
"""The reason of the drop of a row that its writer left out."""


class Declined(NamedTuple):
    """Training rows that earlier attempts left out."""

    by_operator: frozenset[tuple[str, str]] = frozenset()
    """Operator and row."""
    suspect: frozenset[str] = frozenset()
    """Those whose target is wrong, as a writer says."""

    def allows(self, operator: str, row: Example) -> bool:
        """Return whether an operator may still start from a row."""
        return row.id not in self.suspect and (operator, row.id) not in self.by_operator


def declined_row(operator: str, seed: Example, row: Unread, call: str) -> Iterator[Row]:
    """Yield the drop of a row that an operator's writer left out, and that its label is suspect, where that is why."""
    yield Drop("generate", seed.id, DECLINED, f"{operator}: {row.detail}")
    if row.wrong_target:
        yield LabelSuspect(seed.id, "train", seed.target, None, row.detail, None, call)


def declined_before(attempts: Iterable[Attempt]) -> Declined:
    """Return what the attempts of a round so far left out."""
    outputs = [attempt.generate for attempt in attempts]
    return Declined(
        frozenset(
            (drop.detail.partition(":")[0], drop.item)
            for output in outputs
            for drop in output.drops
            if drop.reason == DECLINED
        ),
        frozenset(row.example for output in outputs for row in output.of(LabelSuspect)),
    )
