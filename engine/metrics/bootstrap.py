"""Percentile bootstrap: the 95 % interval of any statistic over the examples of a split.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13. Examples are drawn with
replacement; draws are seeded, so the same scores always give the same interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from engine.metrics.protocol import Scored, Statistic

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DRAWS = 1000


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float | None
    high: float | None
    """None where no draw has a value."""


class Estimate(NamedTuple):
    """A statistic on the whole split, and on each bootstrap draw of it."""

    value: float
    draws: npt.NDArray[np.float64]

    def interval(self) -> Interval:
        """Return the value with the 2.5 and 97.5 percentiles of those draws that have one."""
        import numpy as np

        kept = self.draws[np.isfinite(self.draws)]
        if not len(kept):
            return Interval(self.value, None, None)
        low, high = np.percentile(kept, [2.5, 97.5])
        return Interval(self.value, float(low), float(high))

    def minus(self, other: Estimate) -> Interval:
        """Return the difference to another split's estimate; the two splits are drawn independently."""
        return Estimate(self.value - other.value, self.draws - other.draws).interval()


def indices(n: int, seed: int) -> npt.NDArray[np.int64]:
    """Return bootstrap draws of `n` examples, shape (DRAWS, n)."""
    import numpy as np

    return np.random.default_rng([seed, n]).integers(0, n, size=(DRAWS, n), dtype=np.int64)


def estimate(statistic: Statistic, split: Scored, seed: int) -> Estimate:
    """Return the statistic of the split and of its bootstrap draws; raises ValueError for an empty split."""
    import numpy as np

    n = len(split.golds)
    if n == 0:
        raise ValueError("no examples to estimate from")
    whole = statistic(split, np.arange(n, dtype=np.int64)[None, :])
    return Estimate(float(whole[0]), statistic(split, indices(n, seed)))
