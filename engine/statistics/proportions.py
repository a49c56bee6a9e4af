"""Intervals of a proportion that hold at the edges, where a bootstrap says that 60 of 60 is certain."""

from __future__ import annotations

import math
from typing import NamedTuple

Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """Return the share of successes with the Wilson score interval; raises ValueError without any trial.

    Source: Wilson, Journal of the American Statistical Association 22 (1927); recommended by Brown, Cai and DasGupta,
    Statistical Science 16 (2001).
    """
    _check(successes, n)
    share, square = successes / n, Z * Z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(share, low, high)


def exact(successes: int, n: int) -> Interval:
    """Return the share of successes with the exact interval; raises ValueError without any trial.

    Source: Clopper and Pearson, Biometrika 26 (1934). It never covers less than 95 %, and often more.
    """
    from scipy.stats import beta

    _check(successes, n)
    low = 0.0 if successes == 0 else float(beta.ppf(0.025, successes, n - successes + 1))
    high = 1.0 if successes == n else float(beta.ppf(0.975, successes + 1, n - successes))
    return Interval(successes / n, low, high)


def _check(successes: int, n: int) -> None:
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n} trials are no share")
