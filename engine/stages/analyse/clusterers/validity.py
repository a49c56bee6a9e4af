"""How clear and how stable clusters are, whatever found them.

The silhouette of a point (Rousseeuw, 1987): how much nearer it lies to its own cluster than to the next.
The stability of a cluster (Hennig, Cluster-wise assessment of cluster stability, CSDA 52, 2007): the mean, over
bootstrap samples that are clustered anew, of its Jaccard index with the most alike of the new clusters. He takes one
below 0.6 for no pattern, one from 0.75 on for stable, and one from 0.85 on for very stable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from engine.stages.analyse.clusterers.protocol import NOISE
from engine.stages.analyse.clusterers.vectors import sampled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int64]

RESAMPLES = 20
"""Bootstrap samples; a point drawn more than once counts once, as in Hennig's `clusterboot`."""


def silhouettes(vectors: Vectors, labels: Sequence[int], seed: int) -> dict[int, float]:
    """Return the silhouettes of points, by place, noise left out; of a sample where there are very many.

    Empty for a single cluster, and where each point is one.
    """
    import numpy as np
    from sklearn.metrics import silhouette_samples

    given = np.asarray(labels)
    places = np.flatnonzero(given != NOISE)
    places = places[sampled(len(places), seed)]
    clusters = len(np.unique(given[places]))
    if not 1 < clusters < len(places):
        return {}
    found = silhouette_samples(vectors[places], given[places])
    return {int(place): round(float(one), 6) for place, one in zip(places, found, strict=True)}


def stabilities(
    vectors: Vectors, labels: Sequence[int], again: Callable[[Vectors], Sequence[int]], seed: int
) -> dict[int, float]:
    """Return the stability of each cluster, 0 to 1; empty for a single one, which always comes out again.

    Args:
        vectors: Unit-length, shape (n, dimensions); a sample is taken of very many.
        labels: The clusters' numbers, or NOISE.
        again: Clusters some of the vectors as all of them were.
        seed: Decides the samples.
    """
    import numpy as np

    places = sampled(len(vectors), seed)
    points, given = vectors[places], np.asarray(labels)[places]
    clusters = [int(label) for label in np.unique(given) if label != NOISE]
    if len(set(labels) - {NOISE}) < 2:
        return {}
    random = np.random.default_rng(seed)
    found: dict[int, list[float]] = {label: [] for label in clusters}
    for _ in range(RESAMPLES):
        drawn = np.unique(random.integers(len(points), size=len(points)))
        new = np.asarray(again(points[drawn]))
        for label in clusters:
            own = given[drawn] == label
            if own.any():
                found[label].append(_most_alike(own, new))
    return {label: round(float(np.mean(values)), 6) for label, values in found.items() if values}


def _most_alike(own: npt.NDArray[np.bool_], new: Labels) -> float:
    """Return the largest Jaccard index of a cluster with any of the new ones."""
    import numpy as np

    inside = new[own]
    best = 0.0
    for label in np.unique(inside[inside != NOISE]):
        both = int((inside == label).sum())
        best = max(best, both / (int(own.sum()) + int((new == label).sum()) - both))
    return best
