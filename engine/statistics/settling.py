"""How many training seeds would tell a difference from none, if it is what it is now."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.statistics.proportions import Z

MOST = 100
"""Seeds beyond which nobody goes."""


def settling_seeds(differences: Sequence[float], of_examples: float) -> int | None:
    """Return the fewest seeds whose interval would leave zero out; None where MOST would not, or it cannot be known.

    The same reckoning as of `two_way`: the variance of the mean by seeds shrinks with their number, that by examples
    does not, and the interval is widened by Student's t.

    Args:
        differences: Each seed's difference; of one seed alone nobody knows how much seeds vary.
        of_examples: Variance of their mean by the examples alone.
    """
    count = len(differences)
    middle = sum(differences) / count if count else 0.0
    if count < 2 or not middle or Z * math.sqrt(of_examples) >= abs(middle):
        return None
    of_seeds = sum((one - middle) ** 2 for one in differences) / (count - 1)
    for seeds in range(2, MOST + 1):
        if abs(middle) > _half_width(of_seeds / seeds, of_examples, seeds):
            return seeds
    return None


def _half_width(of_seeds: float, of_examples: float, seeds: int) -> float:
    error = math.sqrt(of_seeds + of_examples)
    if of_seeds <= 0:
        return Z * error
    from scipy.stats import t

    freedom = (seeds - 1) * ((of_seeds + of_examples) / of_seeds) ** 2
    return float(t.ppf(0.975, freedom)) * error
