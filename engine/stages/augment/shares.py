"""How the rows of a round are shared out among its patterns."""

from __future__ import annotations

from collections.abc import Sequence

from engine.rows import Pattern


def shares(patterns: Sequence[Pattern], wanted: int) -> dict[str, int]:
    """Return how many of `wanted` rows each pattern gets: by size, largest remainders, at least one each.

    There are never more than `wanted` in all: where patterns outnumber the rows, only the largest get one. A larger
    pattern never gets fewer rows than a smaller one.
    """
    sizes = {p.id: p.size for p in patterns}
    by_size = sorted(sizes, key=lambda name: (-sizes[name], name))
    if not any(sizes.values()):
        return dict.fromkeys(sizes, 0)
    if len(sizes) >= wanted:
        return {name: int(name in set(by_size[:wanted])) for name in sizes}
    # Patterns too small for a row still get one; the others share what is left.
    others, left = by_size, wanted
    while True:
        total = sum(sizes[name] for name in others)
        large = [name for name in others if left * sizes[name] >= total]
        if len(large) == len(others):
            break
        left -= len(others) - len(large)
        others = large
    counts = dict.fromkeys(sizes, 1) | {name: left * sizes[name] // total for name in others}
    by_remainder = sorted(others, key=lambda name: (-(left * sizes[name] % total), name))
    for name in by_remainder[: wanted - sum(counts.values())]:
        counts[name] += 1
    return counts
