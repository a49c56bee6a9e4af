"""Perplexity of the target: e to the mean nats per token that the student gives to the right answer; lower is better.

Over many examples the mean is over tokens, not over examples. Perplexities of students with different tokenizers are
not comparable. Not scored where the backend does not give the likelihood of the target.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from engine.metrics.protocol import Answered, Metric, Scored, ratio

if TYPE_CHECKING:
    from engine.metrics.protocol import Floats

_LARGEST = 700.0
"""Nats per token whose exponential is still a number."""


def perplexity(answered: Answered, params: Any) -> float | None:
    """Return one target's perplexity; None where its likelihood is not known."""
    if answered.reference_nats is None or not answered.reference_tokens:
        return None
    return math.exp(min(answered.reference_nats / answered.reference_tokens, _LARGEST))


def _tally(split: Scored, params: Any) -> Floats:
    import numpy as np

    return np.array([(i.reference_nats, i.reference_tokens) for i in split.items], dtype=float)


def _together(sums: Floats, params: Any) -> Floats:
    import numpy as np

    perplexities: Floats = np.exp(np.minimum(ratio(sums[:, 0], sums[:, 1]), _LARGEST))
    return perplexities


PERPLEXITY = Metric(
    "perplexity",
    1,
    "Perplexity of the right answers; lower is better.",
    perplexity,
    _tally,
    _together,
    share=False,
    lower_is_better=True,
    reference=True,
)
