"""Two groups of unlike rows, such as a part of the rows and the rest: is what happens more frequent in one of them?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.statistics.proportions import Interval, wilson

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def fisher_greater(
    successes: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], total_successes: int, total: int
) -> npt.NDArray[np.float64]:
    """Return for each group the chance of as many successes or more, were they spread over all rows at random.

    One-sided and exact, also for small groups; several groups at once, each against all other rows.

    Args:
        successes: Successes in each group, shape (groups,).
        sizes: Rows in each group, shape (groups,).
        total_successes: Successes among all rows.
        total: All rows.

    Source: Fisher, Journal of the Royal Statistical Society 98 (1935): the hypergeometric distribution's upper tail.
    """
    import numpy as np
    from scipy.stats import hypergeom

    tail = hypergeom.sf(successes - 1, total, total_successes, sizes)
    return np.asarray(np.clip(tail, 0.0, 1.0), dtype=np.float64)


def difference(successes: int, n: int, other_successes: int, other_n: int) -> Interval:
    """Return the first group's share of successes minus the second's, with its interval.

    Source: Newcombe, Statistics in Medicine 17 (1998), method 10: made of the Wilson intervals of both shares, so it
    holds at 0 and 1 too.

    Raises:
        ValueError: a group has no rows.
    """
    share, low, high = wilson(successes, n)
    other, other_low, other_high = wilson(other_successes, other_n)
    value = share - other
    return Interval(
        value,
        value - math.hypot(share - low, other_high - other),
        value + math.hypot(high - share, other - other_low),
    )
