"""How the rows of a round are shared out: among patterns, labels, sides of a confusion, operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

K = TypeVar("K", bound=Any)


def filled(there: Mapping[K, int], most: int) -> dict[K, int]:
    """Return how many of what is there each part keeps, `most` in all: as many as the others, as far as it has them.

    A part never keeps more because others have more, so that what is kept of a growing whole may be cut ever again.
    """
    names = sorted(there, key=str)
    kept = dict.fromkeys(names, 0)
    open_, left = names, most
    while left and open_:
        each = left // len(open_)
        if not each:
            # They have as many each; one more for the first.
            kept.update({name: kept[name] + 1 for name in open_[:left]})
            break
        kept.update({name: min(there[name], kept[name] + each) for name in open_})
        left = most - sum(kept.values())
        open_ = [name for name in open_ if there[name] > kept[name]]
    return kept


def apportion(sizes: Mapping[K, float], wanted: int, *, each: bool = True) -> dict[K, int]:
    """Return how many of `wanted` rows each part gets: by size, largest remainders, with `each` at least one.

    There are never more than `wanted` in all: where parts outnumber the rows, only the largest get one. A larger part
    never gets fewer rows than a smaller one.
    """
    by_size = sorted(sizes, key=lambda name: (-sizes[name], str(name)))
    if not any(sizes.values()):
        return dict.fromkeys(sizes, 0)
    if each and len(sizes) >= wanted:
        largest = set(by_size[:wanted])
        return {name: int(name in largest) for name in sizes}
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
