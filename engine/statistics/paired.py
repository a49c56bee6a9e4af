"""Two students on the same rows: what only one of them gets right decides, and the rows on which they agree do not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.statistics.proportions import Interval, exact, wilson
from engine.statistics.two_way import Compared

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

EXACT_BELOW = 25
"""Discordant rows under which nothing is approximated."""


def mcnemar(better: int, worse: int) -> float:
    """Return the p-value of McNemar's test: exact under 25 discordant rows, else chi-squared with correction.

    Args:
        better: Rows that only the later student gets right.
        worse: Rows that only the earlier one does.

    Source: McNemar, Psychometrika 12 (1947); Edwards, Psychometrika 13 (1948) for the correction.
    """
    discordant = better + worse
    if discordant == 0:
        return 1.0
    if discordant < EXACT_BELOW:
        from scipy.stats import binom

        return min(1.0, 2 * float(binom.cdf(min(better, worse), discordant, 0.5)))
    statistic = max(0.0, abs(better - worse) - 1) ** 2 / discordant
    return math.erfc(math.sqrt(statistic / 2))


def share_difference(better: int, worse: int, n: int, per_row: float = 1.0) -> Interval:
    """Return by how much the share of right answers differs over `n` rows, given how many rows are discordant.

    The interval is that of the share of better ones among the discordant rows (exact under 25 of them, else Wilson's),
    on the scale of the difference, so it agrees with `mcnemar`. Where no row is discordant, it reaches as far as the
    share of discordant rows may with none seen.

    Args:
        better: Rows on which the later student is better.
        worse: Rows on which the earlier one is.
        n: All rows.
        per_row: By how much the two differ on a discordant row; 1: right or wrong.

    Raises:
        ValueError: there are no rows, or fewer than discordant ones.
    """
    discordant = better + worse
    if n < 1 or discordant > n:
        raise ValueError(f"{discordant} of {n} rows cannot be discordant")
    if discordant == 0:
        most = exact(0, n).high
        return Interval(0.0, -most, most)
    _, low, high = (exact if discordant < EXACT_BELOW else wilson)(better, discordant)
    scale = discordant / n * per_row
    return Interval((better - worse) / n * per_row, scale * (2 * low - 1), scale * (2 * high - 1))


def says_too_much(better: int, worse: int) -> bool:
    """Return whether rows drawn with replacement vary too little: few of them changed, or all of these one way.

    Four rows of 200 that only the later student gets right are in nearly every draw, so a bootstrap excludes zero; the
    exact p-value is 0.125.
    """
    return better + worse < EXACT_BELOW or not better or not worse


def widened(found: Compared, means: Floats) -> Compared:
    """Return a comparison whose interval reaches as far as which rows changed leaves open, where draws say too much.

    Args:
        found: What draws of seeds and rows say.
        means: The difference of each row, the mean over seeds. Of a metric that is no mean of rows it says no more
            than how many changed.
    """
    better, worse = int((means > 0).sum()), int((means < 0).sum())
    if not says_too_much(better, worse):
        return found
    changed, difference = better + worse, found.difference
    if not changed:
        per_row = 1.0
    elif (better - worse) * difference > 0:
        # What is no mean changes by its own measure: so much for each row that changed.
        per_row = difference * len(means) / (better - worse)
    else:
        per_row = float(abs(means).sum()) / changed
    _, low, high = share_difference(better, worse, len(means), per_row)
    return found._replace(low=min(found.low, low), high=max(found.high, high))


def standard_error(values: Floats) -> float:
    """Return the standard error of the mean of values, or of paired differences; 0 for fewer than two."""
    n = len(values)
    return float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
