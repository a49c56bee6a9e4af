"""Arithmetic that the clusterers share: samples, trees, means, the nearest of some centres."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal

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


def one_thread() -> AbstractContextManager[Any]:
    """Return a context with one thread for arithmetic: many small steps are faster so, and always the same."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def sampled(n: int, seed: int, most: int | None = None) -> Labels:
    """Return the places of at most so many (SAMPLE) of n points, ascending, drawn by seed."""
    import numpy as np

    most = SAMPLE if most is None else most
    if n <= most:
        return np.arange(n)
    drawn: Labels = np.random.default_rng(seed).choice(n, most, replace=False)
    return np.sort(drawn)


def different(vectors: Vectors) -> int:
    """Return how many different vectors there are."""
    import numpy as np

    return len(np.unique(vectors.round(6), axis=0))


def cuts(vectors: Vectors, counts: Iterable[int], linkage: Linkage) -> list[Labels]:
    """Return the labels of a hierarchical clustering cut into each of these numbers of clusters, from 0.

    Args:
        vectors: At least two and at most SAMPLE, shape (n, dimensions).
        counts: Each from 1 to n.
        linkage: How far clusters are apart: by the average distance of their members, or as Ward (1963).
    """
    import numpy as np
    from scipy.cluster import hierarchy

    merged = hierarchy.linkage(vectors.astype(np.float64), linkage)[:, :2].astype(np.int64)
    return [_cut(merged, len(vectors), count) for count in counts]


def _cut(merged: Labels, n: int, count: int) -> Labels:
    """Return the labels after all but the last merges: exactly so many clusters, where heights are tied too.

    `scipy.cluster.hierarchy.cut_tree` does the same in Python, a hundred times as slow.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    done = n - count
    nodes = np.repeat(np.arange(n, n + done), 2)
    edges = coo_array(
        (np.ones(2 * done), (nodes, merged[:done].ravel())), shape=(n + done, n + done)
    )
    labels: Labels = connected_components(edges, directed=False)[1][:n].astype(np.int64)
    return labels


def means(vectors: Vectors, labels: Labels) -> Vectors:
    """Return the mean of each cluster, labels counting from 0 without a gap, shape (clusters, dimensions)."""
    import numpy as np

    members = np.zeros((int(labels.max()) + 1, len(vectors)), dtype=vectors.dtype)
    members[labels, np.arange(len(vectors))] = 1
    found: Vectors = members @ vectors / members.sum(axis=1, keepdims=True)
    return found


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


def away(vectors: Vectors, labels: Labels) -> Vectors:
    """Return the Euclidean distance of each vector from the mean of its cluster."""
    import numpy as np

    centres = means(vectors, labels)
    distances = np.empty(len(vectors), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        block = slice(start, start + BLOCK)
        distances[block] = np.linalg.norm(vectors[block] - centres[labels[block]], axis=1)
    return distances
