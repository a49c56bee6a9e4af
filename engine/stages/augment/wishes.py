"""What is asked of a row besides its target, so that rows differ: two things that its strategy varies, and how hard.

All of a strategy's attributes at once contradict each other on one row (a remark and a question, a name and a brand, in
seven words), and writers then write what nobody would say. Lengths are no wish: the prompt tells the usual one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from engine.rows import Strategy
from engine.stages.augment.planning import NEAR
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
    count: int,
    chance: random.Random,
) -> list[dict[str, str]]:
    """Return what is asked of each of `count` rows: every attribute, and every value of one, about equally often.

    Args:
        strategy: Where the attributes and the difficulty come from; None where rows are against no pattern.
        varied: What every row gets a value of besides, and its values.
        count: How many rows.
        chance: Decides which row gets what.
    """
    rows: list[dict[str, str]] = [{} for _ in range(count)]
    for name, values in varied:
        _deal(rows, name, values, chance)
    values_of = attributes_of(strategy)
    sets = list(combinations(values_of, min(MOST, len(values_of))))
    chance.shuffle(sets)
    for name, values in values_of.items():
        mine = [row for i, row in enumerate(rows) if name in sets[i % len(sets)]]
        _deal(mine, name, values, chance)
    shares = strategy.difficulty if strategy else {}
    if any(shares.values()):
        parts = apportion({k: float(v) for k, v in shares.items()}, count, each=False)
        levels = [level for level, n in parts.items() for _ in range(n)]
        chance.shuffle(levels)
        for row, level in zip(rows, levels, strict=True):
            row[DIFFICULTY] = level
    return rows


def attributes_of(strategy: Strategy | None) -> dict[str, list[str]]:
    """Return what a strategy varies, without lengths and without names that mean something else."""
    found: Mapping[str, Sequence[str]] = strategy.attributes if strategy else {}
    return {
        str(name): [str(value) for value in values]
        for name, values in found.items()
        if values and name not in (NEAR, DIFFICULTY) and not _is_length(str(name), values)
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
