"""Macro F1: the unweighted mean of each label's F1, as scikit-learn's `f1_score(average="macro")`.

Labels are those that occur as a gold or as an answer in the draw, as scikit-learn takes them; a label without
any true positive has F1 0. The per-example value is exact match: macro F1 itself is no mean of examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.metrics.protocol import Metric, Scored, exact

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def macro_f1(split: Scored, draws: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the macro F1 of each draw."""
    import numpy as np

    labels = sorted({*split.golds, *(a if a is not None else "" for a in split.answers)})
    code = {label: number for number, label in enumerate(labels)}
    gold = np.array([code[g] for g in split.golds])[draws]
    answer = np.array([code["" if a is None else a] for a in split.answers])[draws]
    total = np.zeros(len(draws))
    present = np.zeros(len(draws))
    for number in range(len(labels)):
        is_gold, is_answer = gold == number, answer == number
        hits = (is_gold & is_answer).sum(axis=1)
        seen = is_gold.sum(axis=1) + is_answer.sum(axis=1)
        total += np.divide(2 * hits, seen, out=np.zeros(len(draws)), where=seen > 0)
        present += seen > 0
    return total / np.maximum(present, 1)


MACRO_F1 = Metric("macro_f1", 1, "Unweighted mean of the labels' F1.", exact, macro_f1)
