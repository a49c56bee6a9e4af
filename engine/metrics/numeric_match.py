"""Numeric match: the share of answers whose number is the right one, exactly or within a tolerance.

What is read as one number: `engine.numbers`. With tolerance 0.1, 1.1 matches 1.
"""

from __future__ import annotations

from fractions import Fraction

from pydantic import Field

from engine.metrics.protocol import Answered, Metric, MetricParams
from engine.numbers import number_in


class Params(MetricParams):
    """How far from the right number an answer may be; the wider of the two holds."""

    tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """How far off an answer may be, in the number's own unit."""
    relative: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    """How far off an answer may be, as a share of the right number."""


def numeric_match(answered: Answered, params: Params) -> float | None:
    """Return 1 where the answer is near enough to an acceptable number; None where no reference is a number."""
    numbers = [right for text in answered.references if (right := number_in(text)) is not None]
    if not numbers:
        return None
    answer = None if answered.answer is None else number_in(answered.answer)
    if answer is None:
        return 0.0
    # Through text: a tolerance of 0.1 means a tenth, not the binary fraction next to it.
    absolute, relative = Fraction(str(params.tolerance)), Fraction(str(params.relative))
    return float(
        any(abs(answer - right) <= max(absolute, relative * abs(right)) for right in numbers)
    )


NUMERIC_MATCH = Metric(
    "numeric_match",
    2,
    "Share of answers whose number is right.",
    numeric_match,
    params=Params,
    targets=("3", "1,000", "-2.5", "7/8"),
    right_or_wrong=True,
)
