"""Agglomerative clustering: the two clusters that are nearest become one, until enough are left or none are near.

Average linkage (UPGMA, Sokal and Michener, 1958) or Ward's (1963) over unit-length vectors. A tree needs the distances
of all pairs: of more than SAMPLE points it is grown from a sample, and the others join the nearest mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from engine.bounds import Count
from engine.stages.analyse.clusterers.partition import (
    PartitionSettings,
    at_least_one,
    capped,
    with_noise,
)
from engine.stages.analyse.clusterers.protocol import Clusterer, Clustering, clustering
from engine.stages.analyse.clusterers.stable_k import stable_k
from engine.stages.analyse.clusterers.vectors import (
    Linkage,
    cuts,
    different,
    means,
    nearest,
    sampled,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]


class AgglomerativeSettings(PartitionSettings):
    """When two clusters are near enough to become one, and what is too far from all of them."""

    k: Count | Literal["auto"] = "auto"
    """Number of clusters; auto takes as many as come out again in halves of the diagnoses."""
    linkage: Linkage = "ward"
    """How far clusters are apart: as Ward has it, or by the average distance of their members."""
    threshold: float | None = Field(default=None, gt=0, lt=1)
    """In place of k: clusters become one whose average distance is below this quantile of all pairs' distances."""

    _at_least_one = field_validator("k")(at_least_one)

    @model_validator(mode="after")
    def _one_rule(self) -> AgglomerativeSettings:
        if self.threshold is not None and self.k != "auto":
            raise ValueError("k and threshold both say how many clusters there are: leave one out")
        if self.threshold is not None and self.linkage != "average":
            raise ValueError("a threshold needs linkage: average (Ward's heights are no distances)")
        return self


def agglomerative(vectors: Vectors, settings: AgglomerativeSettings, seed: int) -> Clustering:
    """Cluster unit-length vectors, shape (n, dimensions)."""
    few = vectors[sampled(len(vectors), seed)]
    distinct, note = different(few), ""
    if settings.threshold is not None:
        k, note = capped(_below(few, settings.threshold), settings)
    elif settings.k == "auto":
        k, note = capped(stable_k(vectors, settings.linkage, seed).k, settings)
    else:
        k = int(settings.k)
    labels = _cut(vectors, few, min(k, distinct), settings.linkage)
    fixed = settings.model_copy(update={"k": k, "threshold": None})
    return clustering(with_noise(vectors, labels, settings.outliers).tolist(), fixed, note)


def _below(vectors: Vectors, quantile: float) -> int:
    """Return how many clusters are left when all are joined that are nearer than a quantile of the distances."""
    import numpy as np
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    if len(vectors) < 2:
        return 1
    distances = pdist(vectors.astype(np.float64))
    return int(
        fcluster(linkage(distances, "average"), np.quantile(distances, quantile), "distance").max()
    )


def _cut(vectors: Vectors, few: Vectors, k: int, linkage: Linkage) -> Labels:
    import numpy as np

    if k == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    (labels,) = cuts(few, [k], linkage)
    if len(few) == len(vectors):
        return labels
    return nearest(vectors, means(few, labels))[0]


def at_most(settings: AgglomerativeSettings) -> int:
    """Return the most clusters that there will be."""
    return settings.k if isinstance(settings.k, int) else settings.max_k


AGGLOMERATIVE = Clusterer(
    name="agglomerative",
    version=1,
    description="average or Ward linkage; the number of clusters by stability, by a distance, or given",
    settings=AgglomerativeSettings,
    cluster=agglomerative,
    at_most=at_most,
)
