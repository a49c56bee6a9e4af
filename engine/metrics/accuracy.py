"""Accuracy: the share of examples whose answer is an acceptable one.

Of several labels all must be there and no other, in any order (scikit-learn's subset accuracy).
"""

from typing import Any

from engine.metrics.labels import label_set
from engine.metrics.protocol import Answered, Metric


def is_right(answered: Answered, params: Any = None) -> float:
    """Return 1 where the answer is an acceptable one, else 0; an unreadable answer is wrong."""
    if answered.answer is None:
        return 0.0
    if answered.answer in answered.references:
        return 1.0
    answer = label_set(answered.answer)
    return float(answer is not None and answer in map(label_set, answered.references))


ACCURACY = Metric("accuracy", 1, "Share of right answers.", is_right, right_or_wrong=True)
