"""Calibration of the judge by people: rows that it judged, and of which people say whether the answer is right.

People look at rows that were accepted sooner than at others, so rows that the judge passes would be too many among
them, and it would look as if it caught nothing. Each row therefore counts as much as the rows of its kind (passed or
not) that it stands for, as Begg and Greenes correct for verification of a part (Biometrics 39, 1983); what so weighted
rows are worth is Kish's effective number (Survey Sampling, 1965). Anchors are not counted with them: people's word on
rows as the judge meets them is worth more than training rows with labels swapped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.identity import Params
from engine.judging import JudgeCalibration
from engine.stages.augment.judging.calibration import balanced, fewest


@dataclass(frozen=True, kw_only=True)
class PeopleSaid(Params):
    """How many rows people call right or wrong, by what the judge had said of them."""

    right_passed: int
    right_rejected: int
    wrong_passed: int
    wrong_rejected: int
    passes: float
    """Share of all judged rows whose answer the judge takes for right."""

    @property
    def rows(self) -> int:
        """All of them."""
        return self.right_passed + self.right_rejected + self.wrong_passed + self.wrong_rejected


class _Half(NamedTuple):
    """Rows of one kind (right, or wrong), weighted."""

    share: float
    """Of the rows of which the judge says what people say."""
    n: int
    """As many rows drawn at random are worth as much."""

    @property
    def hits(self) -> tuple[int, int]:
        """The same as whole rows."""
        return round(self.share * self.n), self.n


def halves(said: PeopleSaid) -> tuple[_Half, _Half] | None:
    """Return right and wrong rows; None where people saw no row that it passes, or none that it does not."""
    passed, rejected = (
        said.right_passed + said.wrong_passed,
        said.right_rejected + said.wrong_rejected,
    )
    if not passed or not rejected:
        return None
    up, down = said.passes / passed, (1 - said.passes) / rejected
    return (
        _half(said.right_passed, up, said.right_rejected, down),
        _half(said.wrong_rejected, down, said.wrong_passed, up),
    )


def _half(hits: int, weight: float, misses: int, other: float) -> _Half:
    whole = hits * weight + misses * other
    squares = hits * weight**2 + misses * other**2
    return (
        _Half(hits * weight / whole, int(whole**2 / squares + 1e-9)) if squares else _Half(0.0, 0)
    )


def enough(said: PeopleSaid, threshold: float) -> bool:
    """Return whether people said enough for a judge without fault to exceed the threshold."""
    found = halves(said)
    return found is not None and min(half.n for half in found) >= fewest(threshold)


def calibration_by_people(said: PeopleSaid, threshold: float) -> JudgeCalibration:
    """Return how well the judge tells right answers from wrong ones; raises ValueError where people said too little."""
    found = halves(said)
    if found is None or not enough(said, threshold):
        raise ValueError("people said too little of what this judge judged")
    right, wrong = found
    mean, low, high = balanced(right.hits, wrong.hits)
    decides = low > threshold
    return JudgeCalibration(
        n_right=right.n,
        n_wrong=wrong.n,
        sensitivity=right.share,
        specificity=wrong.share,
        balanced_accuracy=mean,
        low=low,
        high=high,
        threshold=threshold,
        decides=decides,
        reason=(
            f"by people's verdicts on {said.rows} rows that it had judged (weighted, for it passes {said.passes:.0%} "
            f"of all) it passes {right.share:.0%} of the right ones and catches {wrong.share:.0%} of the wrong ones: "
            f"balanced accuracy {mean:.2f} ({low:.2f} to {high:.2f}); {low:.2f} "
            f"{'exceeds' if decides else 'does not exceed'} {threshold:g}"
        ),
        by_people=True,
    )
