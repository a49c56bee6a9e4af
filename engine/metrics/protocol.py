"""What a metric is: a value per example, and a rule that puts many examples together.

The rule has two steps, so that 1,000 bootstrap draws cost little: `tally` says once what each example brings (hits,
n-gram counts, nats), and `combine` turns the sums over a draw into its value. A mean is the simplest such rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]


class MetricParams(BaseModel):
    """Parameters of a metric that has none, and the base of those that have."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answered example, as metrics see it."""

    answer: str | None
    """The student's answer as read from its reply; None when it could not be read, which counts as wrong.

    Several labels and objects are JSON texts: a list of labels, an object.
    """
    references: tuple[str, ...]
    """All acceptable answers, at least one; the first is the target."""
    text: str
    """The reply, whole."""
    confidence: float | None = None
    """Probability of the answer, 0 to 1."""
    reference_nats: float | None = None
    """Negative log-likelihood of the target under the student, in nats."""
    reference_tokens: int | None = None
    """Tokens of the target, as the student counts them."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The examples of one split (or slice) that have a value, aligned with their values."""

    items: Sequence[Answered]
    values: Sequence[float]


Score = Callable[[Answered, Any], float | None]
"""(example, parameters) -> its value; None where it cannot be scored, which is not zero."""
Tally = Callable[[Scored, Any], Any]
"""(split, parameters) -> what each example brings: shape (examples, k), a NumPy array or a SciPy sparse matrix."""
Combine = Callable[["Floats", Any], "Floats"]
"""(sums of the tally over each draw, shape (draws, k); parameters) -> one value per draw, NaN where there is none."""


def values_and_count(split: Scored, params: Any) -> Floats:
    """Tally the values themselves, and one for each example."""
    import numpy as np

    values = np.asarray(split.values, dtype=np.float64)
    return np.column_stack([values, np.ones(len(values))])


def mean(sums: Floats, params: Any) -> Floats:
    """Return the mean value of each draw."""
    return ratio(sums[:, 0], sums[:, 1])


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return `part / whole` element by element, NaN where `whole` is zero."""
    import numpy as np

    empty: Floats = np.full(np.broadcast_shapes(part.shape, whole.shape), np.nan)
    return np.divide(part, whole, out=empty, where=whole != 0)


@dataclass(frozen=True, slots=True)
class ByLabel:
    """A value for each label beside the one for all: precision, recall."""

    name: str
    """What it is called: `precision`."""
    values: Callable[[Floats], tuple[Floats, Floats]]
    """Sums of the tally -> the labels' values and the examples behind them, each of shape (draws, labels)."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by name; `version` is bumped when it would give other values.

    A reference against itself must give `best` on `targets`, per example and over a split: the catalogue test asks all.
    """

    name: str
    version: int
    description: str
    score: Score
    tally: Tally = values_and_count
    combine: Combine = mean
    params: type[MetricParams] = MetricParams
    best: float = 1.0
    """The value of a perfect answer."""
    right_or_wrong: bool = False
    """Whether 1 and 0 say of one example that it is right or wrong; what lies between (several labels) is a share."""
    share: bool = True
    """Whether values lie between 0 and 1 and are shown as percentages."""
    lower_is_better: bool = False
    by_label: ByLabel | None = None
    reference: bool = False
    """Whether it needs the likelihood of the right answer, which a student is asked for only then."""
    targets: tuple[str, ...] = ("the cat sat on a mat", "and what is more it rained", "c c c c d")
    """Targets that it can score, for its self-check."""

    @property
    def is_mean(self) -> bool:
        """Whether the value over many examples is the mean of theirs."""
        return self.tally is values_and_count and self.combine is mean
