"""How fast work goes, as seconds per unit: from what nodes of the project took, else as assumed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median, quantiles
from typing import Literal, NamedTuple

Unit = Literal["step", "row", "call", "node"]
"""Of an optimizer's step, a row that the student answers, a call of a model, or a whole node."""


class Sample(NamedTuple):
    """What a finished node took."""

    stage: str
    unit: Unit
    seconds: float
    """Per unit."""


class Rate(NamedTuple):
    """Seconds per unit."""

    low: float
    middle: float
    """The median."""
    high: float
    samples: int
    """Nodes that it was measured on; 0 where it is assumed."""

    def scaled(self, factor: float) -> Rate:
        """Return it times a factor."""
        return Rate(self.low * factor, self.middle * factor, self.high * factor, self.samples)


ASSUMED: Mapping[Unit, Rate] = {
    "step": Rate(0.2, 1.0, 5.0, 0),
    "row": Rate(0.01, 0.1, 1.0, 0),
    "call": Rate(0.05, 0.5, 5.0, 0),
    "node": Rate(0.1, 1.0, 20.0, 0),
}
"""Where no node of the project shows it: orders of magnitude, and so wide ranges. A call is one of many at a time."""
_ONE = 2.0
"""A single node says so little that its rate may be off by this factor, either way."""


def rates_of(samples: Iterable[Sample]) -> dict[tuple[str, Unit], Rate]:
    """Return the rate of each stage and unit: the median, and the range from the 10 % to the 90 % quantile."""
    found: dict[tuple[str, Unit], list[float]] = {}
    for stage, unit, seconds in samples:
        found.setdefault((stage, unit), []).append(seconds)
    return {key: _rate(values) for key, values in found.items()}


def _rate(values: list[float]) -> Rate:
    middle = median(values)
    if len(values) == 1:
        return Rate(middle / _ONE, middle, middle * _ONE, 1)
    cuts = quantiles(values, n=10, method="inclusive")
    return Rate(cuts[0], middle, cuts[-1], len(values))
