"""Vectors of known groups, on a sphere as embeddings are, and with few dimensions so that tests are quick."""

import numpy as np
import numpy.typing as npt

from engine.stages.analyse.clusterers import Clustering
from engine.stages.analyse.clusterers.stable_k import rand_index

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def planted(
    k: int, n: int, *, spread: float = 0.12, seed: int = 0, dimensions: int = 24, noise: int = 0
) -> tuple[Vectors, Labels]:
    """Return n points in k clouds, in no order, and their groups; then so many points anywhere, of group -1."""
    random = np.random.default_rng([seed, k])
    centres = np.eye(dimensions)[:k] if k > 1 else np.ones((1, dimensions)) / np.sqrt(dimensions)
    groups = random.permutation(np.arange(n) % k)
    points = centres[groups] + random.normal(0, spread, (n, dimensions))
    points = np.concatenate([points, random.normal(0, 1, (noise, dimensions))])
    unit: Vectors = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit.astype(np.float32), np.concatenate([groups, np.full(noise, -1)])


def likeness(found: Clustering, groups: Labels) -> float:
    """Return the adjusted Rand index of what was found, noise being one more cluster."""
    return rand_index(groups - groups.min(), np.array(found.labels) + 1)
