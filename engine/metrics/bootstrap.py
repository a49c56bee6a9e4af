"""The 95 % interval of any metric over the examples of a split: Wilson's for shares of rows, else a bootstrap.

A bootstrap of 60 right answers of 60 takes them for certain; Wilson's interval says 94 to 100 %. Everything else gets a
percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13). Examples are drawn
with replacement; draws are seeded, so the same scores always give the same interval. Draws are made in blocks, so
memory does not grow with the split beyond its own rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.metrics.protocol import Metric, Scored, mean, values_and_count
from engine.statistics import wilson

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from engine.metrics.protocol import Floats

DRAWS = 1000
_AT_ONCE = 4_000_000
"""Indices per block: 32 MB."""


class Interval(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float | None
    high: float | None
    """None where no draw has a value."""


class Estimate(NamedTuple):
    """A metric on a whole split of `n` scored examples, and on each bootstrap draw of it."""

    value: float
    draws: Floats
    n: int
    is_share: bool = False
    """Whether the value is the share of `n` examples for which something holds."""

    def interval(self) -> Interval:
        """Return the value with its interval: of a draw without a value nothing is taken."""
        import numpy as np

        if self.is_share:
            return Interval(*wilson(round(self.value * self.n), self.n))
        kept = self.draws[np.isfinite(self.draws)]
        if not len(kept):
            return Interval(self.value, None, None)
        low, high = np.percentile(kept, [2.5, 97.5])
        return Interval(self.value, float(low), float(high))

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference to another split's estimate; the two splits are drawn independently."""
        import numpy as np

        # Splits of one size have the same draws: paired as they are, their rows would vary together.
        drawn = self.draws - np.roll(other.draws, 1)
        return Estimate(self.value - other.value, drawn, min(self.n, other.n))


def blocks(n: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the bootstrap draws of `n` examples, DRAWS in all, as blocks of shape (some draws, n)."""
    import numpy as np

    generator = np.random.default_rng([seed, n])
    step = max(1, _AT_ONCE // n)
    for start in range(0, DRAWS, step):
        yield generator.integers(0, n, size=(min(step, DRAWS - start), n), dtype=np.int64)


def totals(tally: Any, draws: npt.NDArray[np.int64]) -> Floats:
    """Return the sums of the tally's rows over each draw, shape (draws, k)."""
    return _summed(_times(draws, tally.shape[0]), tally)


def _times(draws: npt.NDArray[np.int64], n: int) -> Floats:
    """Return how often each draw has each of `n` examples, shape (draws, n)."""
    import numpy as np

    count = len(draws)
    places = draws + n * np.arange(count, dtype=np.int64)[:, None]
    return np.bincount(places.ravel(), minlength=count * n).reshape(count, n).astype(np.float64)


def _summed(times: Floats, tally: Any) -> Floats:
    import numpy as np

    sums: Floats = np.asarray(times @ tally)
    return sums


class Drawn(NamedTuple):
    """What examples bring to a metric, summed over all of them and over each draw, in blocks of draws."""

    n: int
    whole: Floats
    """Shape (1, k)."""
    blocks: Sequence[Floats]
    """Each of shape (some draws, k)."""


def draw_all(tallies: Sequence[Any], seed: int) -> list[Drawn]:
    """Return the sums of several tallies: those over equally many examples have the same draws, which are made once."""
    by_size: dict[int, list[int]] = {}
    for place, tally in enumerate(tallies):
        by_size.setdefault(tally.shape[0], []).append(place)
    sums: list[list[Floats]] = [[] for _ in tallies]
    for n, places in by_size.items():
        for block in blocks(n, seed) if n else ():
            times = _times(block, n)
            for place in places:
                sums[place].append(_summed(times, tallies[place]))
    return [
        Drawn(tally.shape[0], _whole(tally), own) for tally, own in zip(tallies, sums, strict=True)
    ]


def estimate(
    metric: Metric, split: Scored, params: Any, seed: int, drawn: Drawn | None = None
) -> Estimate | None:
    """Return the metric over the split and over its draws; None where the split has no value.

    `drawn` is what `draw_all` made of its tally, where that is at hand.
    """
    if not split.items:
        return None
    if drawn is None:
        (drawn,) = draw_all([metric.tally(split, params)], seed)
    found = _estimated(drawn, lambda sums: metric.combine(sums, params))
    return found._replace(is_share=True) if found and metric.is_mean and _binary(split) else found


def _binary(split: Scored) -> bool:
    """Return whether every example is either right or wrong."""
    return all(value in (0.0, 1.0) for value in split.values)


def estimate_mean(values: Sequence[float], seed: int) -> Estimate | None:
    """Return the mean of values that no metric made, and of their draws; None where there are none."""
    if not values:
        return None
    tally = values_and_count(Scored((), values), None)
    return estimate_sums(tally, lambda sums: mean(sums, None), seed)


def estimate_sums(tally: Any, combine: Callable[[Floats], Floats], seed: int) -> Estimate | None:
    """Return what `combine` makes of the tally's sums, whole and drawn; None where the whole has no value."""
    (drawn,) = draw_all([tally], seed)
    return _estimated(drawn, combine)


def _estimated(drawn: Drawn, combine: Callable[[Floats], Floats]) -> Estimate | None:
    import numpy as np

    value = float(combine(drawn.whole)[0])
    if not np.isfinite(value):
        return None
    return Estimate(value, np.concatenate([combine(sums) for sums in drawn.blocks]), drawn.n)


def estimate_labels(
    metric: Metric, split: Scored, params: Any, seed: int, drawn: Drawn | None = None
) -> list[Estimate | None]:
    """Return the metric's value of each label, in the order of `labels_of`; None where a label has none."""
    import numpy as np

    if metric.by_label is None or not split.items:
        return []
    if drawn is None:
        (drawn,) = draw_all([metric.tally(split, params)], seed)
    of_each = metric.by_label.values
    values, behind = of_each(drawn.whole)
    of_draws = np.concatenate([of_each(sums)[0] for sums in drawn.blocks])
    return [
        _of_label(float(values[0, i]), of_draws[:, i], int(behind[0, i])) if behind[0, i] else None
        for i in range(values.shape[1])
    ]


def _of_label(value: float, drawn: Floats, n: int) -> Estimate:
    """Return a label's value: precision and recall are shares of the `n` examples behind them."""
    hits = value * n
    return Estimate(value, drawn, n, is_share=abs(hits - round(hits)) < 1e-6)


def _whole(tally: Any) -> Floats:
    """Return the sums over all examples, each once, shape (1, k)."""
    import numpy as np

    return np.asarray(tally.sum(axis=0), dtype=np.float64).reshape(1, -1)
