"""What a clusterer is: vectors to groups, the same for the same seed; pure arithmetic, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


class ClustererSettings(BaseModel):
    """Base of every clusterer's settings, the further keys of `patterns.cluster` in a recipe."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


S = TypeVar("S", bound=ClustererSettings)


class Clustering(NamedTuple):
    """Labels from 0 in order of falling size, and how clear the clusters are."""

    labels: list[int]
    """The cluster of each point; every point has one."""
    silhouettes: list[float] | None
    """Silhouette of each point, -1 to 1; None for a single cluster, and where each point is one."""


@dataclass(frozen=True, slots=True)
class Clusterer(Generic[S]):
    """A clusterer by name; `version` is bumped when the same vectors would be grouped otherwise."""

    name: str
    version: int
    description: str
    settings: type[S]
    cluster: Callable[[Vectors, S, int], Clustering]
    """(unit-length vectors, shape (n, dimensions), n at least 1; settings; seed) -> clusters."""
    at_most: Callable[[S], int]
    """Most clusters that it makes with these settings."""


AnyClusterer = Clusterer[Any]


def clustering(vectors: Vectors, labels: Sequence[int]) -> Clustering:
    """Return a clustering by an algorithm's own labels, which may be any numbers."""
    from sklearn.metrics import silhouette_samples

    raw = list(labels)
    order = sorted(set(raw), key=lambda label: (-raw.count(label), raw.index(label)))
    places = [order.index(label) for label in raw]
    if not 1 < len(order) < len(places):
        return Clustering(places, None)
    return Clustering(places, [float(s) for s in silhouette_samples(vectors, places)])


def centroid(vectors: Vectors) -> Vectors:
    """Return the unit-length mean of unit-length vectors."""
    import numpy as np

    mean: Vectors = vectors.mean(axis=0)
    return mean / np.float32(max(float(np.linalg.norm(mean)), 1e-12))
