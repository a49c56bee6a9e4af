"""How the rows of a round are shared out among its patterns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.rows import Pattern


def shares(patterns: Sequence[Pattern], wanted: int) -> dict[str, int]:
    """Return how many of `wanted` rows each pattern gets: by size, largest remainders, at least one each.

    There are never more than `wanted` in all: where patterns outnumber the rows, only the largest get one.
    """
    total = sum(p.size for p in patterns)
    if not total:
        return {p.id: 0 for p in patterns}
    exact = {p.id: wanted * p.size / total for p in patterns}
    by_size = sorted(exact, key=lambda n: (-exact[n], n))
    if len(by_size) >= wanted:
        return {n: int(n in set(by_size[:wanted])) for n in exact}
    given = {name: max(1, math.floor(value)) for name, value in exact.items()}
    for name in sorted(exact, key=lambda n: (math.floor(exact[n]) - exact[n], n)):
        if sum(given.values()) >= wanted:
            break
        given[name] += 1
    # The rows that small patterns got beyond their share are the largest ones' to give.
    while sum(given.values()) > wanted:
        larger = (name for name in by_size if given[name] > 1)
        given[max(larger, key=lambda n: (given[n] - exact[n], n))] -= 1
    return given
