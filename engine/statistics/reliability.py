"""Reliability of several observers who sort the same things: Krippendorff's alpha for unordered categories.

Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections B to D; Content Analysis (2018),
chapter 12. Observers may be any number, and need not have seen everything; a thing that one of them saw alone says
nothing. 1 is perfect agreement, 0 what chance would give. The interval is a percentile bootstrap over the things.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

DRAWS = 2000


class Reliability(NamedTuple):
    """How far observers agree."""

    alpha: float | None
    """None where nothing was seen twice, or all of it was put into one category: then chance cannot be told."""
    low: float | None
    """Of the 95 % interval; None where there is none."""
    high: float | None
    units: int
    """Things that two observers or more have sorted."""
    agreed: int
    """Of these, those that all put into the same category."""


def krippendorff_alpha(units: Sequence[Sequence[Hashable]], seed: int = 0) -> Reliability:
    """Return the alpha of unordered categories with its interval.

    Args:
        units: Of each thing, the category that each observer put it into, in any order.
        seed: Of the draws.
    """
    import numpy as np

    seen = [values for values in units if len(values) > 1]
    agreed = sum(len(set(values)) == 1 for values in seen)
    if not seen:
        return Reliability(None, None, None, 0, 0)
    places = {value: at for at, value in enumerate(dict.fromkeys(v for u in seen for v in u))}
    counts = np.zeros((len(seen), len(places)))
    for row, values in enumerate(seen):
        for value in values:
            counts[row, places[value]] += 1
    alpha = _alphas(counts, np.ones((1, len(seen))))[0]
    if not np.isfinite(alpha):
        return Reliability(None, None, None, len(seen), agreed)
    generator = np.random.default_rng([seed, len(seen)])
    share = np.full(len(seen), 1 / len(seen))
    drawn = _alphas(counts, generator.multinomial(len(seen), share, size=DRAWS).astype(np.float64))
    kept = drawn[np.isfinite(drawn)]
    low, high = np.percentile(kept, [2.5, 97.5])
    return Reliability(float(alpha), float(low), float(high), len(seen), agreed)


def _alphas(counts: Floats, times: Floats) -> Floats:
    """Return alpha where each thing counts as often as each row of `times` says; NaN where it is not defined."""
    import numpy as np

    values = counts.sum(axis=1)
    observed = times @ ((values**2 - (counts**2).sum(axis=1)) / (values - 1))
    by_category = times @ counts
    every = by_category.sum(axis=1)
    expected = (every**2 - (by_category**2).sum(axis=1)) / (every - 1)
    found: Floats = np.full(len(times), np.nan)
    np.divide(observed, expected, out=found, where=expected > 0)
    return 1 - found
