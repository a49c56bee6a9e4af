"""What clusterers share that give every point to a cluster: their number, and which points are too far from theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from engine.stages.analyse.clusterers.protocol import NOISE, ClustererSettings
from engine.stages.analyse.clusterers.vectors import away

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]

ENOUGH = 12
"""Fewest points whose quartiles tell which of them are far away."""


class PartitionSettings(ClustererSettings):
    """How many clusters there may be, and what is too far from all of them."""

    max_k: int = Field(default=16, ge=1, le=100)
    """Most clusters that there may be when their number is not given; it has no say in what auto finds."""
    outliers: float | None = Field(default=1.5, gt=0)
    """A diagnosis is an outlier if it lies farther from its cluster's mean than the third quartile of all diagnoses by
    more than so many interquartile ranges (Tukey's fence); null: every diagnosis belongs to a cluster."""


def at_least_one(k: int | str) -> int | str:
    """Return a number of clusters, or the name of a rule for it; raises ValueError for less than one."""
    if isinstance(k, int) and k < 1:
        raise ValueError("k must be at least 1, or auto")
    return k


def capped(found: int, settings: PartitionSettings) -> tuple[int, str]:
    """Return the number of clusters that there may be of those found, and what to say where that is fewer."""
    if found <= settings.max_k:
        return found, ""
    return settings.max_k, (
        f"the diagnoses fall into {found} clusters, patterns.cluster.max_k allows {settings.max_k}: "
        f"some patterns hold several mistakes (raise it to {found})"
    )


def with_noise(vectors: Vectors, labels: Labels, fence: float | None) -> Labels:
    """Return the labels with NOISE for the points that lie beyond Tukey's fence (Tukey, 1977) over all distances."""
    import numpy as np

    if fence is None or len(vectors) < ENOUGH:
        return labels
    distances = away(vectors, labels)
    first, third = np.quantile(distances, (0.25, 0.75))
    # Where most diagnoses are word for word the same, any other is infinitely far in these units: no measure of it.
    if third - first < 1e-6:
        return labels
    return np.where(distances > third + fence * (third - first), NOISE, labels)
