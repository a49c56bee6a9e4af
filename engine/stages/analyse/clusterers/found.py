"""Clusters of diagnoses as patterns are made of them: what belongs to none told apart, and how sure each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.stages.analyse.clusterers.protocol import (
    NOISE,
    AnyClusterer,
    ClustererSettings,
    Clustering,
)
from engine.stages.analyse.clusterers.validity import silhouettes, stabilities
from engine.stages.analyse.clusterers.vectors import one_thread

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

Apart = Literal["noise", "small_cluster"]
"""Why a point belongs to no cluster: it lies too far from all, or too few lie with it."""


class Found(NamedTuple):
    """Clusters, largest first; the numbers are places of vectors."""

    clusters: list[list[int]]
    apart: dict[int, Apart]
    """The points of no cluster."""
    silhouettes: dict[int, float]
    """By point; of a sample where there are very many, empty for a single cluster."""
    stability: list[float | None]
    """By cluster, 0 to 1; None for a single one."""
    note: str = ""


def find(
    clusterer: AnyClusterer, vectors: Vectors, settings: ClustererSettings, seed: int
) -> Found:
    """Cluster finite unit-length vectors, shape (n, dimensions), n at least 1."""
    with one_thread():
        return _find(clusterer, vectors, settings, seed)


def _find(
    clusterer: AnyClusterer, vectors: Vectors, settings: ClustererSettings, seed: int
) -> Found:
    made = clusterer.cluster(vectors, settings, seed)
    labels, small = _large_enough(made, settings.min_size)
    fixed = made.fixed or settings

    def again(some: Vectors) -> Sequence[int]:
        return clusterer.cluster(some, fixed, seed).labels

    stable = stabilities(vectors, labels, again, seed)
    clusters = [
        [place for place, label in enumerate(labels) if label == number]
        for number in range(max(labels, default=NOISE) + 1)
    ]
    return Found(
        clusters=clusters,
        apart={
            place: "small_cluster" if place in small else "noise"
            for place, label in enumerate(labels)
            if label == NOISE
        },
        silhouettes=silhouettes(vectors, labels, seed),
        stability=[stable.get(number) for number in range(len(clusters))],
        note=made.note,
    )


def _large_enough(made: Clustering, least: int) -> tuple[list[int], set[int]]:
    """Return the labels without the clusters that are too small, and the places of what was in these.

    Where all are too small the largest are kept: so few failures are better mended than left alone.
    """
    sizes = {label: made.labels.count(label) for label in set(made.labels) - {NOISE}}
    least = min(least, max(sizes.values(), default=0))
    small = {place for place, label in enumerate(made.labels) if 0 < sizes.get(label, 0) < least}
    return [NOISE if p in small else label for p, label in enumerate(made.labels)], small
