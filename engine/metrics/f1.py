"""F1 over labels: macro, micro and weighted, as scikit-learn's `f1_score` with that `average`.

Source: https://scikit-learn.org/1.7/modules/generated/sklearn.metrics.f1_score.html. A label without any hit has F1
0. The value per example is whether it is right (with several labels, the F1 of the two sets): none of the three is a
mean of examples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.metrics.accuracy import is_right
from engine.metrics.labels import Counts, counts_of, label_set, tally_labels
from engine.metrics.protocol import Answered, Metric, ratio

if TYPE_CHECKING:
    from engine.metrics.protocol import Floats


def overlap(answered: Answered, params: Any = None) -> float:
    """Return the F1 of the answered labels, best over the references: 1 or 0 where there is one label."""
    answer = label_set(answered.answer)
    references = [label_set(reference) for reference in answered.references]
    if answer is None or None in references:
        return is_right(answered)
    return max(
        2 * len(answer & reference) / (len(answer) + len(reference)) if answer or reference else 1.0
        for reference in references
        if reference is not None
    )


def _each(counts: Counts) -> Floats:
    """Return each label's F1; zero without a hit, also for a label that is not in the draw."""
    import numpy as np

    return np.nan_to_num(ratio(2 * counts.hits, counts.seen))


def macro_f1(sums: Floats, params: Any) -> Floats:
    """Return the unweighted mean of the F1 of those labels that the draw has."""
    counts = counts_of(sums)
    # Label by label, so that the same counts give the same bits whatever the number of labels.
    total: Floats = sum(_each(counts).T, start=0.0 * sums[:, 0])
    return ratio(total, (counts.seen > 0).sum(axis=1).astype(float))


def micro_f1(sums: Floats, params: Any) -> Floats:
    """Return the F1 of all labels' counts together."""
    counts = counts_of(sums)
    return ratio(2 * counts.hits.sum(axis=1), counts.seen.sum(axis=1))


def weighted_f1(sums: Floats, params: Any) -> Floats:
    """Return the mean of the labels' F1, each weighted by how often the label is right."""
    counts = counts_of(sums)
    return ratio((_each(counts) * counts.right).sum(axis=1), counts.right.sum(axis=1))


MACRO_F1 = Metric(
    "macro_f1",
    1,
    "Unweighted mean of the labels' F1.",
    overlap,
    tally_labels,
    macro_f1,
    right_or_wrong=True,
)
MICRO_F1 = Metric(
    "micro_f1",
    1,
    "F1 of all labels' counts together.",
    overlap,
    tally_labels,
    micro_f1,
    right_or_wrong=True,
)
WEIGHTED_F1 = Metric(
    "weighted_f1",
    1,
    "Mean of the labels' F1, weighted by how often each is right.",
    overlap,
    tally_labels,
    weighted_f1,
    right_or_wrong=True,
)
