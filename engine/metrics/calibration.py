"""Expected calibration error: how far the student's confidence is from how often it is right; lower is better.

Source: Guo et al., On Calibration of Modern Neural Networks (2017), https://arxiv.org/abs/1706.04599, section 2:
answers are put into bins of equal width by their confidence, and the gaps between a bin's mean confidence and its
accuracy are averaged, weighted by the bins' sizes. Per example: the distance of the confidence from 1 or 0. Not
scored where an answer comes without a probability.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from engine.metrics.accuracy import is_right
from engine.metrics.protocol import Answered, Metric, MetricParams, Scored

if TYPE_CHECKING:
    from engine.metrics.protocol import Floats


class Params(MetricParams):
    """How confidences are grouped."""

    bins: int = Field(default=15, ge=1, le=100)
    """How many bins of equal width confidences are grouped into; 15 as in the paper."""


def distance(answered: Answered, params: Params) -> float | None:
    """Return how far the confidence is from 1 (the answer is right) or 0; None without a confidence."""
    if answered.confidence is None:
        return None
    return abs(is_right(answered) - answered.confidence)


def _tally(split: Scored, params: Params) -> Floats:
    """Return for each example its confidence minus its accuracy, in its bin; in the last column a one."""
    import numpy as np

    gaps = np.zeros((len(split.items), params.bins + 1))
    for row, item in enumerate(split.items):
        confidence = item.confidence or 0.0
        # Bins are open below and closed above, as in the paper; zero joins the first.
        bin_index = min(max(math.ceil(confidence * params.bins) - 1, 0), params.bins - 1)
        gaps[row, bin_index] = confidence - is_right(item)
    gaps[:, -1] = 1.0
    return gaps


def _error(sums: Floats, params: Params) -> Floats:
    import numpy as np

    error: Floats = np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1]
    return error


CALIBRATION_ERROR = Metric(
    "calibration_error",
    1,
    "Expected calibration error; lower is better.",
    distance,
    _tally,
    _error,
    Params,
    best=0.0,
    lower_is_better=True,
)
