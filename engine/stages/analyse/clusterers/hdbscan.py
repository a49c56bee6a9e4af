"""HDBSCAN: clusters are where points lie close, whatever their number; the points between them are noise.

Campello, Moulavi and Sander, Density-Based Clustering Based on Hierarchical Density Estimates (PAKDD 2013), by
scikit-learn. In hundreds of dimensions all points lie about equally close, so they are first laid along their first
principal components. Of more than SAMPLE points the clusters are found in a sample; another point joins the cluster of
the nearest mean, unless it lies farther from it than any of the sample's members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from engine.bounds import Count
from engine.stages.analyse.clusterers.protocol import (
    NOISE,
    Clusterer,
    ClustererSettings,
    Clustering,
    clustering,
)
from engine.stages.analyse.clusterers.vectors import different, means, nearest, sampled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]

NONE = "no diagnoses lie closer together than the rest: they are one cluster"


class HdbscanSettings(ClustererSettings):
    """How close points must lie."""

    min_size: Count = Field(default=5, ge=2)
    """Fewest diagnoses that make a cluster."""
    min_samples: Count | None = Field(default=None, ge=1)
    """Neighbours by which closeness is measured, the more, the more is noise; min_size when left out."""
    selection: Literal["eom", "leaf"] = "eom"
    """Which clusters of the tree are kept: those that last longest, or the smallest."""
    dimensions: Count = Field(default=10, ge=1)
    """Principal components that closeness is measured in."""
    max_k: int = Field(default=30, ge=1, le=100)
    """Most clusters that are kept, the largest first; the others' diagnoses are noise."""


def hdbscan(vectors: Vectors, settings: HdbscanSettings, seed: int) -> Clustering:
    """Cluster unit-length vectors, shape (n, dimensions); one cluster where none is denser than the rest."""
    import numpy as np

    chosen = sampled(len(vectors), seed)
    few = vectors[chosen]
    labels = _found(few, settings, seed)
    if labels.max() == NOISE:
        return clustering([0] * len(vectors), note="" if len(few) < 2 else NONE)
    if len(few) < len(vectors):
        labels = _joined(vectors, few, np.asarray(labels))
    found = clustering(labels.tolist())
    if max(found.labels) < settings.max_k:
        return found
    kept = [label if label < settings.max_k else NOISE for label in found.labels]
    note = (
        f"HDBSCAN finds {max(found.labels) + 1} clusters, patterns.cluster.max_k keeps the largest "
        f"{settings.max_k}: the others' diagnoses are noise"
    )
    return clustering(kept, note=note)


def _found(vectors: Vectors, settings: HdbscanSettings, seed: int) -> Labels:
    import numpy as np
    from sklearn import cluster
    from sklearn.decomposition import PCA

    if (
        len(vectors) < max(settings.min_size, settings.min_samples or 0, 2)
        or different(vectors) == 1
    ):
        return np.full(len(vectors), NOISE)
    most = min(settings.dimensions, len(vectors) - 1, vectors.shape[1])
    points = PCA(most, svd_solver="full").fit_transform(vectors.astype(np.float64))
    found: Labels = cluster.HDBSCAN(
        min_cluster_size=settings.min_size,
        min_samples=settings.min_samples,
        cluster_selection_method=settings.selection,
        copy=True,
    ).fit_predict(points)
    return found


def _joined(vectors: Vectors, few: Vectors, labels: Labels) -> Labels:
    """Return labels of all points by the means and the reach of the sample's clusters."""
    import numpy as np

    kept = labels != NOISE
    centres = means(few[kept], labels[kept])
    reach = np.zeros(len(centres))
    away = np.linalg.norm(few[kept] - centres[labels[kept]], axis=1)
    np.maximum.at(reach, labels[kept], away)
    joined, distances = nearest(vectors, centres)
    return np.where(distances > reach[joined] + 1e-6, NOISE, joined)


HDBSCAN = Clusterer(
    name="hdbscan",
    version=1,
    description="HDBSCAN: clusters where diagnoses lie close, noise between them",
    settings=HdbscanSettings,
    cluster=hdbscan,
    at_most=lambda settings: settings.max_k,
)
