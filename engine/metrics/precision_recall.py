"""Precision and recall: the mean over the labels, and each label's own; with them balanced accuracy.

As scikit-learn's `precision_score` and `recall_score` with `average="macro"` (a label never answered has precision 0,
one that is never right has recall 0), and its `balanced_accuracy_score` (only labels that are right somewhere count).
A label's own precision is not scored where the label was never answered: there it says nothing. Source:
https://scikit-learn.org/1.7/modules/model_evaluation.html#classification-metrics
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.metrics.f1 import overlap
from engine.metrics.labels import counts_of, tally_labels
from engine.metrics.protocol import ByLabel, Metric, ratio

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from engine.metrics.protocol import Floats


def _precisions(sums: Floats) -> tuple[Floats, Floats]:
    counts = counts_of(sums)
    return ratio(counts.hits, counts.answered), counts.answered


def _recalls(sums: Floats) -> tuple[Floats, Floats]:
    counts = counts_of(sums)
    return ratio(counts.hits, counts.right), counts.right


def _macro(values: Floats, present: npt.NDArray[np.bool_]) -> Floats:
    import numpy as np

    return ratio(np.nan_to_num(values).sum(axis=1), present.sum(axis=1).astype(float))


def macro_precision(sums: Floats, params: Any) -> Floats:
    """Return the mean precision of the labels that the draw has."""
    return _macro(_precisions(sums)[0], counts_of(sums).seen > 0)


def macro_recall(sums: Floats, params: Any) -> Floats:
    """Return the mean recall of the labels that the draw has, as a reference or as an answer."""
    return _macro(_recalls(sums)[0], counts_of(sums).seen > 0)


def balanced_accuracy(sums: Floats, params: Any) -> Floats:
    """Return the mean recall of the labels that are right somewhere in the draw."""
    return _macro(_recalls(sums)[0], counts_of(sums).right > 0)


MACRO_PRECISION = Metric(
    "macro_precision",
    1,
    "Mean of the labels' precision, and each label's own.",
    overlap,
    tally_labels,
    macro_precision,
    by_label=ByLabel("precision", _precisions),
    right_or_wrong=True,
)
MACRO_RECALL = Metric(
    "macro_recall",
    1,
    "Mean of the labels' recall, and each label's own.",
    overlap,
    tally_labels,
    macro_recall,
    by_label=ByLabel("recall", _recalls),
    right_or_wrong=True,
)
BALANCED_ACCURACY = Metric(
    "balanced_accuracy",
    1,
    "Mean recall of the labels that are right somewhere.",
    overlap,
    tally_labels,
    balanced_accuracy,
    right_or_wrong=True,
)
