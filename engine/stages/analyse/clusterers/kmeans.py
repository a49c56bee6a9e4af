"""k-means over embeddings; the number of clusters by stability, by the elbow, or given.

PaDA-Agent (arXiv 2510.18143) clusters the embedded analyses by k-means with K by the elbow method. The elbow is
the point farthest below the straight line between the ends of the curve of within-cluster sums of squares
(Satopää et al., Finding a "Kneedle" in a Haystack, 2011, for a convex decreasing curve). It is right for clear
clusters; of structureless data it makes some all the same, more of them the longer the curve.

It starts from the clusters of Ward's method (Milligan and Sokol, 1980), so there is nothing to draw. Of more than
LARGE points it learns in small batches (Sculley, Web-Scale K-Means Clustering, WWW 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator

from engine.bounds import Count
from engine.stages.analyse.clusterers.partition import (
    PartitionSettings,
    at_least_one,
    capped,
    with_noise,
)
from engine.stages.analyse.clusterers.protocol import Clusterer, Clustering, clustering
from engine.stages.analyse.clusterers.stable_k import stable_k
from engine.stages.analyse.clusterers.vectors import away, cuts, different, means, nearest, sampled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]

LARGE = 10_000
"""Points up to which all are looked at in each step."""
BATCH = 4_096


class KMeansSettings(PartitionSettings):
    """How many clusters there are, and what is too far from all of them."""

    k: Count | Literal["auto", "elbow"] = "auto"
    """Number of clusters; auto takes as many as come out again in halves of the diagnoses, elbow the elbow of the
    within-cluster sum of squares up to max_k."""

    _at_least_one = field_validator("k")(at_least_one)


def elbow(inertias: Sequence[float]) -> int:
    """Return the number of clusters (from 1) at the elbow of the curve; 1 or 2 points have none, so 1."""
    if len(inertias) < 3 or inertias[0] - inertias[-1] <= 1e-9:
        return 1
    span = len(inertias) - 1
    drop = inertias[0] - inertias[-1]
    below = [(inertias[0] - value) / drop - i / span for i, value in enumerate(inertias)]
    return max(range(len(below)), key=lambda i: (round(below[i], 9), -i)) + 1


def kmeans(vectors: Vectors, settings: KMeansSettings, seed: int) -> Clustering:
    """Cluster unit-length vectors, shape (n, dimensions); never more clusters than there are different ones."""
    few = vectors[sampled(len(vectors), seed)]
    distinct = different(few)
    note = ""
    if settings.k == "auto":
        k, note = capped(stable_k(vectors, "ward", seed).k, settings)
    elif settings.k == "elbow":
        tried = range(1, min(distinct, settings.max_k) + 1)
        k = elbow([_inertia(few, _fitted(few, few, n, seed)) for n in tried])
    else:
        k = settings.k
    labels = _fitted(vectors, few, min(k, distinct), seed)
    fixed = settings.model_copy(update={"k": k})
    return clustering(with_noise(vectors, labels, settings.outliers).tolist(), fixed, note)


def _fitted(vectors: Vectors, few: Vectors, k: int, seed: int) -> Labels:
    """Return the labels of k clusters, from 0 without a gap; `few` are the vectors, or a sample of them."""
    import numpy as np
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if k == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    (start,) = cuts(few, [k], "ward")
    centres = KMeans(k, init=means(few, start), n_init=1).fit(few).cluster_centers_
    if len(vectors) > LARGE:
        fit = MiniBatchKMeans(k, init=centres, n_init=1, batch_size=BATCH, random_state=seed)
        centres = fit.fit(vectors).cluster_centers_
    labels: Labels = np.unique(nearest(vectors, centres)[0], return_inverse=True)[1]
    return labels


def _inertia(vectors: Vectors, labels: Labels) -> float:
    return float((away(vectors, labels) ** 2).sum())


def at_most(settings: KMeansSettings) -> int:
    """Return the most clusters that there will be."""
    return settings.k if isinstance(settings.k, int) else settings.max_k


KMEANS = Clusterer(
    name="kmeans",
    version=2,
    description="k-means; the number of clusters by stability, by the elbow, or given",
    settings=KMeansSettings,
    cluster=kmeans,
    at_most=at_most,
)
