"""What is asked of a row besides its target, so that rows differ: its kind, two things that vary, and how hard it is.

A row is of one of its strategy's kinds, which need not go together; what varies goes with every kind. All of a
strategy's attributes at once contradict each other on one row (a remark and a question, a name and a brand, in seven
words), and writers then write what nobody would say. Lengths are no wish: the prompt tells the usual one. A row of the
other side is of no kind of the weakness, and not hard for a student that gets it right.
"""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from engine.rows import Strategy
from engine.stages.augment.planning import KIND, NEAR, SIDE, Slot
from engine.stages.augment.shares import apportion

DIFFICULTY = "difficulty"
"""Key of what is asked of a row: easy, medium or hard."""
MOST = 2
"""Attributes of its strategy that a row gets."""
_LENGTH = re.compile(r"\b(length|brevity|number of (words|sentences|characters))\b", re.I)
_LONG = re.compile(
    r".*\d.*\b(words?|sentences?|characters?)|(very )?(short|brief|medium|long|terse|wordy)", re.I
)


def wishes(
    strategy: Strategy | None,
    varied: Iterable[tuple[str, Sequence[str]]],
    slots: Sequence[Slot],
    chance: random.Random,
    labels_in: Callable[[str], Collection[str]] | None = None,
    without: Collection[str] = (),
) -> list[dict[str, str]]:
    """Return what is asked of each row: every attribute, and every value of one, about equally often.

    Args:
        strategy: Where the attributes and the difficulty come from; None where rows are against no pattern.
        varied: What every row gets a value of besides, and its values.
        slots: What each row is to be.
        chance: Decides which row gets what.
        labels_in: The labels that a target names; None where rows cannot be told of which kind they are to be.
        without: Attributes of the strategy that are none here: something else has their name.
    """
    rows: list[dict[str, str]] = [{} for _ in slots]
    for name, values in varied:
        _deal(rows, name, values, chance)
    values_of = {k: v for k, v in attributes_of(strategy).items() if k not in without}
    sets = list(combinations(values_of, min(MOST, len(values_of))))
    chance.shuffle(sets)
    for name, values in values_of.items():
        mine = [row for i, row in enumerate(rows) if name in sets[i % len(sets)]]
        _deal(mine, name, values, chance)
    own = [(row, slot) for row, slot in zip(rows, slots, strict=True) if not slot.contrast]
    if strategy is not None:
        _share([row for row, _ in own], DIFFICULTY, strategy.difficulty, chance)
        if labels_in is not None:
            for target in dict.fromkeys(slot.target for _, slot in own):
                shares = kinds_of(strategy, () if target is None else labels_in(target))
                _share([row for row, slot in own if slot.target == target], KIND, shares, chance)
    return rows


def deal_apart(
    rows: Sequence[dict[str, str]],
    targets: Sequence[str | None],
    name: str,
    values: Sequence[str],
    chance: random.Random,
) -> None:
    """Give each row a value, every one about equally often, and none again to a target while there are others.

    Of rows with the same target, in their order, any run of as many as there are values has each value once.
    """
    choices = list(dict.fromkeys(values))
    times: Counter[str] = Counter()
    for target in dict.fromkeys(targets):
        lately: deque[str] = deque(maxlen=len(choices) - 1)
        for row in (row for row, mine in zip(rows, targets, strict=True) if mine == target):
            chance.shuffle(choices)
            row[name] = min((v for v in choices if v not in lately), key=lambda v: times[v])
            times[row[name]] += 1
            lately.append(row[name])


def kinds_of(strategy: Strategy, labels: Collection[str]) -> dict[str, float]:
    """Return the kinds that a row of some labels (none: of any) may be of, by name, with their shares."""
    return {
        str(kind["name"]): float(kind["share"])
        for kind in strategy.kinds
        if not labels or not kind["labels"] or not set(labels).isdisjoint(kind["labels"])
    }


def _share(
    rows: Sequence[dict[str, str]], name: str, shares: Mapping[str, Any], chance: random.Random
) -> None:
    """Give each row a value, every one by its share."""
    if not any(shares.values()):
        return
    parts = apportion({k: float(v) for k, v in shares.items()}, len(rows), each=False)
    dealt = [value for value, n in parts.items() for _ in range(n)]
    chance.shuffle(dealt)
    for row, value in zip(rows, dealt, strict=True):
        row[name] = value


def attributes_of(strategy: Strategy | None) -> dict[str, list[str]]:
    """Return what a strategy varies, without lengths and without names that mean something else."""
    found: Mapping[str, Sequence[str]] = strategy.attributes if strategy else {}
    return {
        str(name): [str(value) for value in values]
        for name, values in found.items()
        if values
        and name not in (NEAR, KIND, SIDE, DIFFICULTY)
        and not _is_length(str(name), values)
    }


def _is_length(name: str, values: Sequence[str]) -> bool:
    return bool(_LENGTH.search(name)) or all(_LONG.fullmatch(str(value)) for value in values)


def _deal(
    rows: Sequence[dict[str, str]], name: str, values: Sequence[str], chance: random.Random
) -> None:
    """Give each row a value, every one about equally often."""
    dealt = [values[i % len(values)] for i in range(len(rows))]
    chance.shuffle(dealt)
    for row, value in zip(rows, dealt, strict=True):
        row[name] = value
