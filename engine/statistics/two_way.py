"""Two-way bootstrap: the interval of a difference over several training seeds and the same examples.

Resampling examples alone takes the seeds at hand for all there are: with two points of noise from seed to seed, a 95 %
interval then excludes zero in about a tenth of runs in which nothing differs. Here seeds and examples are both drawn,
for all seeds the same examples (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007)). Two or three
seeds drawn with replacement vary too little (Hesterberg, What Teachers Should Know about the Bootstrap, The American
Statistician 69 (2015)): their part is scaled by sqrt(S / (S - 1)), and the interval is widened by Student's t at the
degrees of freedom that the two parts have together (Satterthwaite, Biometrics Bulletin 2 (1946)).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from engine.statistics.proportions import Z

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

DRAWS = 2000
"""The interval's ends move by less than 0.1 points from seed to seed of the draws."""
_AT_ONCE = 4_000_000
"""Counts per block: 32 MB."""


class Compared(NamedTuple):
    """A mean difference over seeds, with its 95 % interval, and each seed's own difference.

    With one seed, the interval says nothing of what another seed would give.
    """

    difference: float
    low: float
    high: float
    seeds: tuple[float, ...]
    of_examples: float = 0.0
    """Variance of the mean by the examples alone."""


def two_way(seeds: Floats, drawn: Floats, seed: int = 0) -> Compared:
    """Return the mean over seeds of a difference, with its interval over seeds and examples.

    Args:
        seeds: Each seed's difference on all examples, shape (seeds,).
        drawn: The same on each draw of the examples, shape (seeds, draws); a draw without a value is NaN.
        seed: Of the draws of seeds.

    Raises:
        ValueError: no seed, or no draw with a value.
    """
    import numpy as np

    drawn = drawn[:, np.isfinite(drawn).all(axis=0)]
    count, draws = drawn.shape
    if not count or not draws:
        raise ValueError("without seeds and draws there is nothing to compare")
    middle, means = float(seeds.mean()), drawn.mean(axis=0)
    values, wider = means, 1.0
    if count > 1:
        generator = np.random.default_rng([seed, count, draws])
        picked = generator.integers(0, count, size=(count, draws))
        of_seeds = np.take_along_axis(drawn, picked, axis=0).mean(axis=0) - means
        values = means + math.sqrt(count / (count - 1)) * of_seeds
        wider = _wider(float(seeds.var(ddof=1)) / count, float(means.var()), count)
    low, high = (float(end) for end in np.percentile(values, [2.5, 97.5]))
    return Compared(
        middle,
        middle + wider * (low - middle),
        middle + wider * (high - middle),
        tuple(float(one) for one in seeds),
        float(means.var()),
    )


def _wider(of_seeds: float, of_examples: float, count: int) -> float:
    """Return Student's t over the normal quantile, for the variance of the mean by seeds and by examples."""
    if of_seeds <= 0:
        return 1.0
    from scipy.stats import t

    freedom = (count - 1) * ((of_seeds + of_examples) / of_seeds) ** 2
    return float(t.ppf(0.975, freedom)) / Z


def two_way_mean(differences: Floats, draws: int = DRAWS, seed: int = 0) -> Compared:
    """Return the mean of differences per seed and example with its interval; `differences` has shape (seeds, examples).

    Raises:
        ValueError: there are no seeds or no examples.
    """
    import numpy as np

    count, n = differences.shape
    if not count or not n:
        raise ValueError("without seeds and examples there is nothing to compare")
    generator = np.random.default_rng([seed, n])
    step = max(1, _AT_ONCE // n)
    parts = []
    for start in range(0, draws, step):
        times = generator.multinomial(n, np.full(n, 1 / n), size=min(step, draws - start))
        parts.append(differences @ times.T.astype(np.float64) / n)
    return two_way(differences.mean(axis=1), np.concatenate(parts, axis=1), seed)
