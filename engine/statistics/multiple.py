"""Many tests at once: of twenty that find nothing, one is below 0.05 by chance, so p-values are adjusted for it."""

from __future__ import annotations

from collections.abc import Sequence


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values, in the same order: those up to 0.05 are false in 5 % of cases on average.

    Source: Benjamini and Hochberg, Journal of the Royal Statistical Society B 57 (1995).
    """
    n = len(p_values)
    adjusted, least = [1.0] * n, 1.0
    for rank, at in sorted(
        enumerate(sorted(range(n), key=lambda i: p_values[i]), start=1), reverse=True
    ):
        least = min(least, p_values[at] * n / rank)
        adjusted[at] = least
    return adjusted


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values, in the same order: of those up to 0.05 none at all is false in 95 % of cases.

    Source: Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    n = len(p_values)
    adjusted, most = [1.0] * n, 0.0
    for rank, at in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        most = max(most, min(1.0, p_values[at] * (n - rank)))
        adjusted[at] = most
    return adjusted
