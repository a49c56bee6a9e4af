"""How the rows of a round are shared out: among patterns, labels, sides of a confusion, operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

K = TypeVar("K", bound=Any)


def apportion(sizes: Mapping[K, float], wanted: int, *, each: bool = True) -> dict[K, int]:
    """Return how many of `wanted` rows each part gets: by size, largest remainders, with `each` at least one.

    There are never more than `wanted` in all: where parts outnumber the rows, only the largest get one. A larger part
    never gets fewer rows than a smaller one.
    """
    by_size = sorted(sizes, key=lambda name: (-sizes[name], str(name)))
    if not any(sizes.values()):
        return dict.fromkeys(sizes, 0)
    if each and len(sizes) >= wanted:
        return {name: int(name in set(by_size[:wanted])) for name in sizes}
    others, left = by_size, wanted
    # Parts too small for a row still get one; the others share what is left.
    while each:
        total = sum(sizes[name] for name in others)
        large = [name for name in others if left * sizes[name] >= total]
        if len(large) == len(others):
            break
        left -= len(others) - len(large)
        others = large
    total = sum(sizes[name] for name in others)
    counts = dict.fromkeys(sizes, int(each))
    counts |= {name: int(left * sizes[name] // total) for name in others}
    by_remainder = sorted(others, key=lambda name: (-(left * sizes[name] % total), str(name)))
    for name in by_remainder[: wanted - sum(counts.values())]:
        counts[name] += 1
    return counts
