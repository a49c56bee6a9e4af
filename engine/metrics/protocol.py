"""What a metric is: a value per example, and a statistic over many examples that can be bootstrapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Scored:
    """The scored examples of one split, aligned: gold answers, the student's answers, per-example values."""

    golds: Sequence[str]
    answers: Sequence[str | None]
    values: Sequence[float]


Statistic = Callable[[Scored, "npt.NDArray[np.int64]"], "npt.NDArray[np.float64]"]
"""(split, draws) -> one value per draw; `draws` has shape (draws, examples) and holds indices into the split."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by name; `version` is bumped when it would give other values.

    `score` takes (answer, gold) and returns the per-example value, None when it cannot be scored. Gold against
    gold must give 1: the catalogue test asks every metric.
    """

    name: str
    version: int
    description: str
    score: Callable[[str | None, str], float | None]
    statistic: Statistic


def mean_of_values(split: Scored, draws: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the mean per-example value of each draw."""
    import numpy as np

    means: npt.NDArray[np.float64] = np.asarray(split.values, dtype=np.float64)[draws].mean(axis=1)
    return means


def exact(answer: str | None, gold: str) -> float | None:
    """Return 1 where the answer is the gold answer, else 0; an unreadable answer is wrong."""
    return 1.0 if answer == gold else 0.0
