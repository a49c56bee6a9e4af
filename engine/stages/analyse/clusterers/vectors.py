"""Arithmetic that the clusterers share: samples, trees, means, the nearest of some centres."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]

Linkage = Literal["ward", "average"]

SAMPLE = 2_000
"""Most points among which all distances are computed: 2,000 take 16 MB, 200,000 would take 160 GB."""
BLOCK = 20_000
"""Points whose distances to all centres are computed at once."""


def sampled(n: int, seed: int, most: int = SAMPLE) -> Labels:
    """Return the places of at most so many of n points, ascending, drawn by seed."""
    import numpy as np

    if n <= most:
        return np.arange(n)
    drawn: Labels = np.random.default_rng(seed).choice(n, most, replace=False)
    return np.sort(drawn)


def different(vectors: Vectors) -> int:
    """Return how many different vectors there are."""
    import numpy as np

    return len(np.unique(vectors.round(6), axis=0))


def cuts(vectors: Vectors, counts: Iterable[int], linkage: Linkage) -> list[Labels]:
    """Return the labels of a hierarchical clustering cut into each of these numbers of clusters.

    Args:
        vectors: At least two and at most SAMPLE, shape (n, dimensions).
        counts: Each from 1 to n.
        linkage: How far clusters are apart: by the average distance of their members, or as Ward (1963).
    """
    import numpy as np
    from scipy.cluster.hierarchy import cut_tree, linkage as tree

    cut = cut_tree(tree(vectors.astype(np.float64), linkage), list(counts))
    return list(cut.T)


def means(vectors: Vectors, labels: Labels) -> Vectors:
    """Return the mean of each cluster, labels counting from 0 without a gap, shape (clusters, dimensions)."""
    import numpy as np

    members = np.zeros((int(labels.max()) + 1, len(vectors)), dtype=vectors.dtype)
    members[labels, np.arange(len(vectors))] = 1
    total: Vectors = members @ vectors
    return total / members.sum(axis=1, keepdims=True)


def nearest(vectors: Vectors, centres: Vectors) -> tuple[Labels, Vectors]:
    """Return the nearest centre of each vector, and the Euclidean distance to it."""
    import numpy as np

    labels = np.empty(len(vectors), dtype=np.int64)
    distances = np.empty(len(vectors), dtype=np.float32)
    lengths = (centres * centres).sum(axis=1)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        squared = lengths - 2 * (block @ centres.T)
        chosen = squared.argmin(axis=1)
        labels[start : start + BLOCK] = chosen
        away = squared[np.arange(len(block)), chosen] + (block * block).sum(axis=1)
        distances[start : start + BLOCK] = np.sqrt(np.maximum(away, 0))
    return labels, distances
