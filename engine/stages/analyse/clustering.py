"""k-means over embeddings with the number of clusters by the elbow; pure arithmetic, no I/O.

PaDA-Agent (arXiv 2510.18143) clusters the embedded analyses by k-means with K by the elbow method. The elbow is
the point farthest below the straight line between the ends of the curve of within-cluster sums of squares
(Satopää et al., Finding a "Kneedle" in a Haystack, 2011, for a convex decreasing curve).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Clustering(NamedTuple):
    """Labels from 0 in order of falling size, and what they rest on."""

    labels: list[int]
    silhouettes: list[float] | None
    """Silhouette of each point, -1 to 1; None for a single cluster."""
    inertias: list[float]
    """Within-cluster sum of squares for k = 1, 2, … as far as they were tried."""


def elbow(inertias: Sequence[float]) -> int:
    """Return the number of clusters (from 1) at the elbow of the curve; 1 or 2 points have none, so 1."""
    if len(inertias) < 3 or inertias[0] - inertias[-1] <= 1e-9:
        return 1
    span = len(inertias) - 1
    drop = inertias[0] - inertias[-1]
    below = [(inertias[0] - value) / drop - i / span for i, value in enumerate(inertias)]
    return max(range(len(below)), key=lambda i: (round(below[i], 9), -i)) + 1


def cluster(vectors: npt.NDArray[np.float32], k: int | str, max_k: int, seed: int) -> Clustering:
    """Cluster unit-length vectors, shape (n, dimensions); `k` is a number or `auto`."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_samples

    distinct = len(np.unique(vectors.round(6), axis=0))
    most = min(distinct, max_k if k == "auto" else int(k))
    tried = range(1, most + 1) if k == "auto" else range(most, most + 1)
    fits = [KMeans(n, n_init=10, random_state=seed).fit(vectors) for n in tried]
    inertias = [float(fit.inertia_) for fit in fits]
    chosen = fits[elbow(inertias) - 1] if k == "auto" else fits[0]
    raw = [int(label) for label in chosen.labels_]
    order = sorted(set(raw), key=lambda label: (-raw.count(label), raw.index(label)))
    labels = [order.index(label) for label in raw]
    silhouettes = None
    if 1 < len(order) < len(labels):
        silhouettes = [float(s) for s in silhouette_samples(vectors, labels)]
    return Clustering(labels, silhouettes, inertias)


def centroid(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the unit-length mean of unit-length vectors."""
    import numpy as np

    mean: npt.NDArray[np.float32] = vectors.mean(axis=0)
    return mean / np.float32(max(float(np.linalg.norm(mean)), 1e-12))
