"""neighbours: labels by the embeddings of labelled rows, with the probability that each is right.

A logistic regression on unit-length sentence embeddings, which few rows per label are enough for (the head of SetFit,
Tunstall et al., arXiv 2209.11055, without its fine-tuned encoder). How sure it is, is the gap between the scores of its
first and second label; what a gap is worth, labelled rows say that were left out of the fit: Platt's sigmoid of the gap
(Platt, 1999). So 0.8 means that four in five such labels are right, whatever the embedder and the labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

STRENGTH = 10.0
"""Inverse of the regularization: embeddings have unit length, so that 1 would leave all labels alike."""
ALONE = 120
"""Up to so many rows each is left out alone; of more, one in FOLDS at a time."""
FOLDS = 10
MOST_ROWS = 5_000
"""Rows that are fitted, evenly spaced; of many more each adds little, and takes as long."""


class Guess(NamedTuple):
    """A label for one row."""

    label: str
    second: str
    """The likeliest other one; empty where there is none."""
    confidence: float
    """Probability that the label is right."""


class Neighbours:
    """Labels rows as the labelled rows near them are."""

    def __init__(self, vectors: npt.NDArray[np.float32], targets: Sequence[str]) -> None:
        """Fit on labelled rows.

        Args:
            vectors: Their embeddings, unit length, shape (rows, dimensions).
            targets: Their labels.
        """
        import numpy as np
        from threadpoolctl import threadpool_limits

        if len(targets) > MOST_ROWS:
            chosen = np.linspace(0, len(targets) - 1, MOST_ROWS).astype(int)
            vectors, targets = vectors[chosen], [targets[place] for place in chosen]
        self._labels = sorted(set(targets))
        places = np.array([self._labels.index(target) for target in targets])
        # Many small fits: threads cost ten times what they save.
        with threadpool_limits(1):
            self._scores = _Scores(vectors, places, len(self._labels))
            self._slope, self._bias = self._calibrated(vectors, places)

    def _calibrated(
        self, vectors: npt.NDArray[np.float32], places: npt.NDArray[np.int_]
    ) -> tuple[float, float]:
        """Return slope and bias of the sigmoid that makes a gap a probability."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        rows, count = len(places), len(self._labels)
        if count < 2 or rows < 3:
            return 0.0, -np.inf
        folds = rows if rows <= ALONE else FOLDS
        gaps, right = np.zeros(rows), np.zeros(rows, dtype=bool)
        for fold in range(folds):
            out = np.arange(rows) % folds == fold
            scores = _Scores(vectors[~out], places[~out], count)(vectors[out])
            first, _, gaps[out] = _best(scores)
            right[out] = first == places[out]
        # One of each is added, so that a few rows that are all right, or all wrong, are no certainty.
        gaps = np.concatenate([gaps, [np.median(gaps)] * 2])
        right = np.concatenate([right, [True, False]])
        fit = LogisticRegression(C=1e3, max_iter=1000).fit(gaps[:, None], right)
        return max(0.0, float(fit.coef_[0, 0])), float(fit.intercept_[0])

    def __call__(self, vectors: npt.NDArray[np.float32]) -> list[Guess]:
        """Return a label for each of some rows, by their unit-length embeddings."""
        import numpy as np

        if not len(vectors):
            return []
        first, second, gaps = _best(self._scores(vectors))
        confidences = 1 / (1 + np.exp(-(self._slope * gaps + self._bias)))
        names = [*self._labels, ""]
        return [
            Guess(names[a], names[b], float(confidence))
            for a, b, confidence in zip(first, second, confidences, strict=True)
        ]


class _Scores:
    """Scores of every label; a label without a row scores nothing."""

    def __init__(
        self, vectors: npt.NDArray[np.float32], places: npt.NDArray[np.int_], count: int
    ) -> None:
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        self._known, self._count = np.unique(places), count
        self._fit = (
            LogisticRegression(C=STRENGTH, max_iter=1000).fit(vectors, places)
            if len(self._known) > 1
            else None
        )

    def __call__(self, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        import numpy as np

        scores = np.full((len(vectors), self._count), -np.inf)
        if self._fit is None:
            scores[:, self._known] = 0.0
        else:
            # With two labels there is one score, for the second.
            scores[:, self._known] = np.log(self._fit.predict_proba(vectors) + 1e-12)
        return scores


def _best(
    scores: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_], npt.NDArray[np.float64]]:
    """Return the places of each row's best and second best label, and the gap between them; -1: there is no second."""
    import numpy as np

    order = np.argsort(-scores, axis=1, kind="stable")
    first = order[:, 0]
    rows = np.arange(len(scores))
    if scores.shape[1] < 2:
        return first, np.full(len(scores), -1), np.zeros(len(scores))
    second = order[:, 1]
    low = scores[rows, second]
    gaps = np.where(np.isfinite(low), scores[rows, first] - np.where(np.isfinite(low), low, 0), 0.0)
    return first, np.where(np.isfinite(low), second, -1), gaps
