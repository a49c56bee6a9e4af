"""Whether failures gather where a description says: a share of failed rows against a share of passed ones.

Failed and passed rows are drawn apart, since failures are few: what holds of all rows is put together by the share of
them that fails. That share is taken as known; the two others are not, and their uncertainty is drawn from their
Jeffreys posteriors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from engine.statistics.proportions import Interval, wilson
from engine.statistics.two_groups import fisher_greater

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_DRAWS = 10_000


class Drawn(NamedTuple):
    """Rows that were drawn, and of how many a description holds."""

    under: int
    n: int


class Lift(NamedTuple):
    """How much more often rows fail of which a description holds; the values are medians, but recall's."""

    lift: Interval
    """Failure rate of those rows over that of all others."""
    odds: Interval
    """Their odds of failing over those of all others: does not depend on how many rows fail."""
    precision: Interval
    """Their failure rate."""
    recall: Interval
    """Share of the failing rows of which it holds: Wilson's interval."""
    p: float
    """The chance that it holds of so many failed rows if it held as often of passed ones (one-sided)."""


def lift(failed: Drawn, passed: Drawn, failing: float) -> Lift:
    """Return lift, precision and recall of a description, from failed and passed rows that were drawn apart.

    Args:
        failed: Of the failing rows.
        passed: Of the others.
        failing: Share of all rows that fail, above 0 and under 1.

    Raises:
        ValueError: one of the draws is empty, or of more rows than it has.

    Source: Fisher's exact test does not depend on how many rows of each kind were drawn; intervals of a share from a
    Jeffreys prior as in Brown, Cai and DasGupta, Statistical Science 16 (2001).
    """
    import numpy as np

    recall = wilson(*failed)
    wilson(*passed)
    under_failed, under_passed = _posterior(failed, 0), _posterior(passed, 1)
    inside = _rate(under_failed, under_passed, failing)
    outside = _rate(1 - under_failed, 1 - under_passed, failing)
    (p,) = fisher_greater(
        np.array([failed.under]),
        np.array([failed.n]),
        failed.under + passed.under,
        failed.n + passed.n,
    )
    odds = under_failed * (1 - under_passed) / (under_passed * (1 - under_failed))
    return Lift(
        _interval(inside / outside),
        _interval(odds),
        _interval(inside),
        recall,
        float(p),
    )


@lru_cache(maxsize=64)
def _posterior(drawn: Drawn, seed: int) -> npt.NDArray[np.float64]:
    import numpy as np

    # Neither end is reached: a rate of none would have no ratio.
    share = np.random.default_rng(seed).beta(drawn.under + 0.5, drawn.n - drawn.under + 0.5, _DRAWS)
    return share.clip(1e-9, 1 - 1e-9)


def _rate(
    failed: npt.NDArray[np.float64], passed: npt.NDArray[np.float64], failing: float
) -> npt.NDArray[np.float64]:
    """Return the failure rate among the rows of which something holds, by the shares of each kind of which it does."""
    of_failed, of_passed = failing * failed, (1 - failing) * passed
    return of_failed / (of_failed + of_passed)


def _interval(values: npt.NDArray[np.float64]) -> Interval:
    import numpy as np

    low, middle, high = np.quantile(values, (0.025, 0.5, 0.975))
    return Interval(float(middle), float(low), float(high))
