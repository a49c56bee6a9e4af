"""choice: which rows of the shortlist are taken for what a plan of a round asks for, slot by slot.

Rows are ranked by likeness to the slot's pattern and by how unsure the student is of them, each as a row's place among
all that fit; of the best third the most different ones are taken, a row that is surely labelled before one that is not.
Without any of these the rows come by chance.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.rows import PoolAnswer, PoolRow
from engine.stages.augment.diversity import Spreading
from engine.stages.augment.planning import COVERAGE, Quotas, Slot
from engine.stages.augment.seeds import standing
from engine.stages.augment.shares import apportion

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SPARE = 0.25
"""Rows that are taken besides, per row wanted: gates reject some."""
AMONG = 3
"""Ranked rows per row wanted, among which the most different ones are taken."""
NEAR_BONUS = 0.5
"""What a row's rank gains where its second label is the one that the slot's rows may be mistaken for."""


class Taken(NamedTuple):
    """A row, and what it is for."""

    row: PoolRow
    pattern: str
    slot: Slot


class Signals(NamedTuple):
    """What rows are chosen by; None for what does not count."""

    vectors: npt.NDArray[np.float32]
    """Unit-length embeddings, shape (rows, dimensions)."""
    likeness: Mapping[str, npt.NDArray[np.float32]] | None
    """Pattern -> the rows' likeness to it."""
    unsure: npt.NDArray[np.float32] | None
    """How unsure the student is of each row, 0 to 1."""
    is_diverse: bool
    chance: Sequence[str]
    """What decides between rows that are alike in all else."""


def with_spare(wanted: int) -> int:
    """Return how many rows are taken for so many wanted."""
    return wanted + math.ceil(SPARE * wanted)


def label_of(row: PoolRow) -> str:
    """Return the label by which a row is chosen: its own, or else what neighbours give it."""
    return row.target or row.guess


def unsureness(rows: Sequence[PoolRow], answers: Mapping[str, PoolAnswer]) -> list[float]:
    """Return how unsure the student is of each row; of one that it answers otherwise than it is labelled, entirely."""
    found = []
    for row in rows:
        answer = answers.get(row.id)
        if answer is None or answer.answer is None or label_of(row) not in ("", answer.answer):
            found.append(1.0)
        else:
            found.append(0.0 if answer.confidence is None else 1.0 - answer.confidence)
    return found


def choose(
    rows: Sequence[PoolRow],
    wanted: Quotas,
    signals: Signals,
    *,
    fill: bool,
    labelled: bool = True,
) -> tuple[list[Taken], Quotas]:
    """Return the rows that are taken, and what is lacking of what is wanted.

    Args:
        rows: The rows to choose from.
        wanted: Pattern -> slot -> rows.
        signals: What they are chosen by, in the order of the rows.
        fill: Whether other rows stand in for what is lacking, of the labels that have the fewest.
        labelled: Whether targets are labels; else there are no slots of one, and nothing has too few.
    """
    chooser = _Chooser(rows, signals, labelled)
    sizes: dict[tuple[str, Slot], int] = {}
    lacking: dict[str, dict[Slot, int]] = {}
    for pattern, slots in wanted.items():
        for slot, count in slots.items():
            got = 0
            # What a row is the other side of, no row of a pool says.
            if not slot.contrast:
                sizes[pattern, slot] = count
                got = chooser.take(pattern, slot, count)
            if got < count:
                lacking.setdefault(pattern, {})[slot] = count - got
    # Shared out among all: a quarter of each slot alone would double the smallest.
    spare = with_spare(sum(sizes.values())) - sum(sizes.values())
    for (pattern, slot), count in apportion(sizes, spare, each=False).items():
        chooser.take(pattern, slot, count)
    if fill and lacking:
        whole = sum(sum(slots.values()) for slots in wanted.values())
        chooser.fill(with_spare(whole) - len(chooser.taken))
    return chooser.taken, lacking


class _Chooser:
    """Keeps what is taken."""

    def __init__(self, rows: Sequence[PoolRow], signals: Signals, labelled: bool) -> None:
        self._rows, self._signals = rows, signals
        self._labels = [label_of(row) if labelled else "" for row in rows]
        self._open: dict[str, dict[int, None]] = {}
        """Label -> places of the rows that are not taken."""
        for place, label in enumerate(self._labels):
            self._open.setdefault(label, {})[place] = None
        self._counts = Counter[str]()
        """Rows that are taken, by label."""
        weights = [1.0 if row.confidence is None else row.confidence for row in rows]
        self._spreading = Spreading(signals.vectors, weights) if signals.is_diverse else None
        self.taken: list[Taken] = []

    def take(self, pattern: str, slot: Slot, count: int) -> int:
        """Take up to `count` rows for a slot; return how many there were."""
        fitting = (
            [place for places in self._open.values() for place in places]
            if slot.target is None
            else list(self._open.get(slot.target, ()))
        )
        best = self._best(fitting, pattern, slot, count) if count else []
        for place in best:
            label = self._labels[place]
            del self._open[label][place]
            self._counts[label] += 1
            self.taken.append(Taken(self._rows[place], pattern, slot))
        return len(best)

    def fill(self, count: int) -> None:
        """Take `count` rows more, of the labels that have the fewest so far."""
        added = Counter[str]()
        for _ in range(count):
            labels = [name for name, places in self._open.items() if len(places) > added[name]]
            if not labels:
                break
            added[min(labels, key=lambda name: (self._counts[name] + added[name], name))] += 1
        for label, rows in added.items():
            self.take(COVERAGE, Slot(label or None, None), rows)

    def _best(self, fitting: list[int], pattern: str, slot: Slot, count: int) -> list[int]:
        signals = self._signals
        likeness = signals.likeness.get(pattern) if signals.likeness else None
        ranks = dict.fromkeys(fitting, 0.0)
        for values in (likeness, signals.unsure):
            if values is not None:
                own = standing([float(values[place]) for place in fitting])
                ranks = {place: ranks[place] + one for place, one in zip(fitting, own, strict=True)}
        if slot.near is not None and any(ranks.values()):
            for place in fitting:
                ranks[place] += NEAR_BONUS * (self._rows[place].second == slot.near)
        order = sorted(fitting, key=lambda place: (-ranks[place], signals.chance[place]))
        if self._spreading is None:
            return order[:count]
        if any(ranks.values()):
            order = order[: AMONG * count]
        return self._spreading.take(order, count)
