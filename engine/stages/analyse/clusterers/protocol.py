"""What a clusterer is: vectors to groups, the same for the same seed; pure arithmetic, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from engine.bounds import Count

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

NOISE = -1
"""The label of a point that belongs to no cluster."""


class ClustererSettings(BaseModel):
    """Base of every clusterer's settings, the further keys of `patterns.cluster` in a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min_size: Count = Field(default=3, ge=1)
    """Fewest diagnoses that make a pattern: smaller clusters are dropped, unless all are smaller."""


S = TypeVar("S", bound=ClustererSettings)


class Clustering(NamedTuple):
    """A label per point: from 0 in order of falling size, NOISE for a point that belongs to no cluster."""

    labels: list[int]
    fixed: ClustererSettings | None = None
    """The settings with what was found out written in, such as the number of clusters; None: as they were.

    With these, resamples are clustered to tell how stable the clusters are.
    """
    note: str = ""
    """What a user should know of how the clusters came about."""


@dataclass(frozen=True, slots=True)
class Clusterer(Generic[S]):
    """A clusterer by name; `version` is bumped when the same vectors would be grouped otherwise."""

    name: str
    version: int
    description: str
    settings: type[S]
    cluster: Callable[[Vectors, S, int], Clustering]
    """(finite unit-length vectors, shape (n, dimensions), n at least 1; settings; seed) -> clusters."""
    at_most: Callable[[S], int]
    """Most clusters that it makes with these settings."""


AnyClusterer = Clusterer[Any]


def clustering(
    labels: Sequence[int], fixed: ClustererSettings | None = None, note: str = ""
) -> Clustering:
    """Return a clustering by an algorithm's own labels: any numbers, of which NOISE keeps its meaning."""
    raw = [int(label) for label in labels]
    sizes = Counter(label for label in raw if label != NOISE)
    first = {label: place for place, label in reversed(list(enumerate(raw)))}
    order = sorted(sizes, key=lambda label: (-sizes[label], first[label]))
    places = {label: place for place, label in enumerate(order)} | {NOISE: NOISE}
    return Clustering([places[label] for label in raw], fixed, note)


def centroid(vectors: Vectors) -> Vectors:
    """Return the unit-length mean of unit-length vectors."""
    import numpy as np

    mean: Vectors = vectors.mean(axis=0)
    return mean / np.float32(max(float(np.linalg.norm(mean)), 1e-12))
