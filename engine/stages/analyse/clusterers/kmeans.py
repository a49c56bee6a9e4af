"""k-means over embeddings with the number of clusters by the elbow.

PaDA-Agent (arXiv 2510.18143) clusters the embedded analyses by k-means with K by the elbow method. The elbow is
the point farthest below the straight line between the ends of the curve of within-cluster sums of squares
(Satopää et al., Finding a "Kneedle" in a Haystack, 2011, for a convex decreasing curve).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from engine.stages.analyse.clusterers.protocol import (
    Clusterer,
    ClustererSettings,
    Clustering,
    clustering,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class KMeansSettings(ClustererSettings):
    """How many clusters there are."""

    k: int | Literal["auto"] = "auto"
    """Number of clusters; auto finds the elbow of the within-cluster sum of squares."""
    max_k: int = Field(default=8, ge=1, le=100)
    """Largest number of clusters that auto tries."""

    @field_validator("k")
    @classmethod
    def _at_least_one(cls, k: int | str) -> int | str:
        if isinstance(k, int) and k < 1:
            raise ValueError("k must be at least 1, or auto")
        return k


def elbow(inertias: Sequence[float]) -> int:
    """Return the number of clusters (from 1) at the elbow of the curve; 1 or 2 points have none, so 1."""
    if len(inertias) < 3 or inertias[0] - inertias[-1] <= 1e-9:
        return 1
    span = len(inertias) - 1
    drop = inertias[0] - inertias[-1]
    below = [(inertias[0] - value) / drop - i / span for i, value in enumerate(inertias)]
    return max(range(len(below)), key=lambda i: (round(below[i], 9), -i)) + 1


def kmeans(vectors: npt.NDArray[np.float32], settings: KMeansSettings, seed: int) -> Clustering:
    """Cluster unit-length vectors, shape (n, dimensions); never more clusters than there are different ones."""
    import numpy as np
    from sklearn.cluster import KMeans

    distinct = len(np.unique(vectors.round(6), axis=0))
    automatic = settings.k == "auto"
    most = min(distinct, at_most(settings))
    tried = range(1, most + 1) if automatic else range(most, most + 1)
    fits = [KMeans(n, n_init=10, random_state=seed).fit(vectors) for n in tried]
    chosen = fits[elbow([float(fit.inertia_) for fit in fits]) - 1] if automatic else fits[0]
    return clustering(vectors, [int(label) for label in chosen.labels_])


def at_most(settings: KMeansSettings) -> int:
    """Return the most clusters that there will be."""
    return settings.max_k if settings.k == "auto" else int(settings.k)


KMEANS = Clusterer(
    name="kmeans",
    version=1,
    description="k-means; the number of clusters by the elbow, or given",
    settings=KMeansSettings,
    cluster=kmeans,
    at_most=at_most,
)
