"""k-means with the elbow on clusters that are known."""

from typing import Literal

import numpy as np
import pytest

from engine.stages.analyse.clusterers import Clustering, centroid
from engine.stages.analyse.clusterers.kmeans import KMEANS, KMeansSettings, elbow


def _blobs(k: int, each: int, spread: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.eye(16)[:k]
    points = np.concatenate([c + rng.normal(0, spread, (each, 16)) for c in centres])
    unit: np.ndarray = points / np.linalg.norm(points, axis=1, keepdims=True)
    return unit.astype(np.float32)


def cluster(vectors: np.ndarray, k: int | Literal["auto"], seed: int = 0) -> Clustering:
    return KMEANS.cluster(vectors, KMeansSettings(k=k), seed)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_elbow_finds_well_separated_clusters(k: int) -> None:
    found = cluster(_blobs(k, 12, 0.05), "auto")
    assert len(set(found.labels)) == k
    for start in range(0, 12 * k, 12):
        assert len(set(found.labels[start : start + 12])) == 1
    assert found.silhouettes is not None
    assert min(found.silhouettes) > 0.5


def test_labels_are_numbered_by_falling_size_and_reproducible() -> None:
    vectors = np.concatenate([_blobs(1, 3, 0.02), _blobs(2, 9, 0.02)[9:]])
    found = cluster(vectors, 2)
    assert found.labels == [1] * 3 + [0] * 9
    assert cluster(vectors, 2) == found


def test_identical_points_and_single_points_are_one_cluster() -> None:
    same = np.repeat(_blobs(1, 1, 0.0), 5, axis=0)
    assert cluster(same, "auto").labels == [0] * 5
    assert cluster(same, 3).labels == [0] * 5
    assert cluster(same[:1], "auto").silhouettes is None


def test_elbow_of_flat_and_short_curves() -> None:
    assert elbow([1.0]) == 1
    assert elbow([1.0, 0.5]) == 1
    assert elbow([1.0, 1.0, 1.0]) == 1
    assert elbow([10, 4, 1, 0.9, 0.8, 0.7]) == 3


def test_centroid_has_unit_length() -> None:
    assert np.linalg.norm(centroid(_blobs(1, 7, 0.3))) == pytest.approx(1.0, abs=1e-5)


def test_there_are_never_more_clusters_than_the_settings_say() -> None:
    vectors = _blobs(6, 5, 0.05)
    assert KMEANS.at_most(KMeansSettings(k=3)) == KMEANS.at_most(KMeansSettings(max_k=3)) == 3
    assert len(set(cluster(vectors, 3).labels)) == 3
    assert len(set(KMEANS.cluster(vectors, KMeansSettings(max_k=3), 0).labels)) <= 3
    assert len(set(KMEANS.cluster(vectors, KMeansSettings(max_k=8), 0).labels)) == 6
