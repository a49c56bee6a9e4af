"""How many clusters there are: as many as come out again when half of the points are clustered without the other half.

For each k the points are halved at random and each half is clustered on its own; the second half's points are also
given to the first half's nearest clusters, and the two ways of grouping them are compared by the adjusted Rand index
(the transfer of Lange, Roth, Braun and Buhmann, Stability-Based Validation of Clustering Solutions, Neural Computation
16, 2004; the threshold as in Tibshirani and Walther, Cluster Validation by Prediction Strength, JCGS 14, 2005). Of
structureless data no k comes out again, so there is one cluster. But a long cloud is cut into the same halves every
time: k clusters must also hold the points more closely together than k clusters of points of the same covariance that
have none. These are the principal components, rotated at random: under normality exactly as likely as the points
(Langsrud, Rotation Tests, Statistics and Computing 15, 2005; the test is that of SigClust, Liu et al., JASA 103, 2008).

That alone, which is a gap statistic, does not do (`tests/benchmarks/clusters.py`): real embeddings are no normal
clouds, so it goes on finding clusters within clusters and ends at whatever bound it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.stages.analyse.clusterers.vectors import Linkage, cuts, means, nearest, sampled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]

SPLITS = 20
"""Halvings."""
ROTATIONS = 20
"""Clouds without clusters; all must be looser than the points: by chance that is one case in 21."""
STABLE = 0.7
"""Mean adjusted Rand index from which clusters come out again. It is a choice: of CLINC150's single intents one in four
reaches it (some do fall into two wordings), and most planted groups of ten texts; at 0.75 fewer do of both."""
AS_GOOD = 0.03
"""Difference of the index that is none; about its standard error."""
EACH = 4
"""Points that there must be for each cluster."""
LIMIT = 30
"""Most clusters that are looked for."""
POINTS = 500
"""Most points that are looked at; clusters which these do not show are too small to be found among them."""
COMPONENTS = 50
"""Most principal components that are looked at."""


class Chosen(NamedTuple):
    """The number of clusters, and how stable each number is: index k - 2 for k clusters, 1 for all alike."""

    k: int
    stability: list[float]


def stable_k(vectors: Vectors, linkage: Linkage, seed: int) -> Chosen:
    """Return the number of clusters, from 1; no bound of the caller's has a say in it."""
    import numpy as np

    points = components(vectors[sampled(len(vectors), seed, POINTS)])
    counts = range(2, min(LIMIT, len(points) // EACH) + 1)
    if not counts or not points.shape[1]:
        return Chosen(1, [])
    random = np.random.default_rng(seed)
    mean = _agreement(points, counts, linkage, SPLITS, random).mean(axis=0)
    stable = [place for place in range(len(counts)) if mean[place] >= STABLE]
    closer = _closer(points, [counts[place] for place in stable], linkage, random)
    candidates = np.array(
        [p for p, is_closer in zip(stable, closer, strict=True) if is_closer], int
    )
    if not len(candidates):
        return Chosen(1, [float(m) for m in mean])
    # The most of those that are as good as the best, so that one pattern does not hold two mistakes.
    equal = candidates[mean[candidates] >= mean[candidates].max() - AS_GOOD]
    return Chosen(counts[int(equal.max())], [float(m) for m in mean])


def components(vectors: Vectors) -> Vectors:
    """Return the points along their principal components, those without extent left out."""
    import numpy as np

    centred = (vectors - vectors.mean(axis=0)).astype(np.float64)
    left, extent, _ = np.linalg.svd(centred, full_matrices=False)
    kept = min(COMPONENTS, len(vectors) - 1, int((extent > 1e-6).sum()))
    points: Vectors = left[:, :kept] * extent[:kept]
    return points


def rotated(points: Vectors, random: np.random.Generator) -> Vectors:
    """Return points of the same covariance in a random place of the normal distribution's."""
    import numpy as np

    drawn = random.normal(size=points.shape)
    orthonormal, _ = np.linalg.qr(drawn - drawn.mean(axis=0))
    rotated: Vectors = orthonormal * np.linalg.norm(points, axis=0)
    return rotated


def _closer(
    points: Vectors, counts: Sequence[int], linkage: Linkage, random: np.random.Generator
) -> list[bool]:
    """Return for each number of clusters whether they hold the points more closely than those of all clouds."""
    import numpy as np

    if not counts:
        return []
    clouds = [scatter(rotated(points, random), counts, linkage) for _ in range(ROTATIONS)]
    return [bool(c) for c in scatter(points, counts, linkage) < np.min(clouds, axis=0)]


def scatter(points: Vectors, counts: Sequence[int], linkage: Linkage) -> npt.NDArray[np.float64]:
    """Return the sum of squared distances to the clusters' means, by number of clusters."""
    import numpy as np

    fits = [refined(points, labels) for labels in cuts(points, counts, linkage)]
    return np.array([((points - centres[labels]) ** 2).sum() for centres, labels in fits])


def _agreement(
    points: Vectors,
    counts: Sequence[int],
    linkage: Linkage,
    splits: int,
    random: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return the adjusted Rand index of each halving and number of clusters, shape (splits, counts)."""
    import numpy as np

    half = len(points) // 2
    found = []
    for _ in range(splits):
        order = random.permutation(len(points))
        one, other = points[order[:half]], points[order[half:]]
        halves = zip(cuts(one, counts, linkage), cuts(other, counts, linkage), strict=True)
        found.append([_transferred(one, other, a, b) for a, b in halves])
    return np.array(found)


def _transferred(one: Vectors, other: Vectors, of_one: Labels, of_other: Labels) -> float:
    """Return how far the other half's own clusters are those that the one half's would make of it."""
    centres, _ = refined(one, of_one)
    _, own = refined(other, of_other)
    return rand_index(own, nearest(other, centres)[0])


def refined(points: Vectors, labels: Labels) -> tuple[Vectors, Labels]:
    """Return means and labels after two steps of k-means: a tree's cuts are rough at the edges."""
    centres = means(points, labels)
    for _ in range(2):
        labels = _without_gaps(nearest(points, centres)[0])
        centres = means(points, labels)
    return centres, labels


def _without_gaps(labels: Labels) -> Labels:
    import numpy as np

    counted: Labels = np.unique(labels, return_inverse=True)[1]
    return counted


def rand_index(one: Labels, other: Labels) -> float:
    """Return the adjusted Rand index of two labellings from 0 (Hubert and Arabie, 1985).

    As `sklearn.metrics.adjusted_rand_score`, whose checks of its arguments take a hundred times as long.
    """
    import numpy as np

    width = int(other.max()) + 1
    table = np.bincount(one * width + other, minlength=(int(one.max()) + 1) * width)
    table = table.reshape(-1, width)

    def pairs(counts: npt.NDArray[np.int64]) -> float:
        return float((counts * (counts - 1)).sum() / 2)

    both, rows, columns = pairs(table), pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    expected = rows * columns / max(1.0, len(one) * (len(one) - 1) / 2)
    most = (rows + columns) / 2
    return 1.0 if most - expected < 1e-12 else (both - expected) / (most - expected)
