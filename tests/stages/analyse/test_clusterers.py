"""What every clusterer keeps to: a new entry gets these tests for free."""

import numpy as np
import pytest

from engine.spec.reference.described import meaning
from engine.stages.analyse.clusterers import CLUSTERERS, NOISE, Clustering, clustering, stable_k
from engine.stages.analyse.clusterers import vectors as vectors_module
from engine.stages.analyse.clusterers.found import find
from tests.stages.analyse.planted import Vectors, likeness, planted

POINTS = np.repeat(np.eye(6, dtype=np.float32), [5, 4, 3, 2, 1, 1], axis=0)


@pytest.fixture(autouse=True)
def _few_numbers_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for ten clusters at most: what is beyond takes most of the time."""
    monkeypatch.setattr(stable_k, "LIMIT", 10)


def cluster(name: str, vectors: Vectors, seed: int = 0) -> Clustering:
    """Cluster by the defaults; what every result keeps to is checked here."""
    clusterer = CLUSTERERS[name]
    settings = clusterer.settings()
    found = clusterer.cluster(vectors, settings, seed)
    sizes = [found.labels.count(label) for label in sorted(set(found.labels) - {NOISE})]
    assert sorted(set(found.labels) - {NOISE}) == list(range(len(sizes)))
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) + found.labels.count(NOISE) == len(vectors) == len(found.labels)
    assert 1 <= len(sizes) <= clusterer.at_most(settings), "there is a cluster of whatever there is"
    assert found.fixed is None or isinstance(found.fixed, clusterer.settings)
    assert clusterer.cluster(vectors, settings, seed) == found
    return found


@pytest.mark.parametrize("name", CLUSTERERS)
@pytest.mark.parametrize("count", [1, 2, 5, len(POINTS)])
def test_labels_count_from_the_largest_cluster_however_few_points_there_are(
    name: str, count: int
) -> None:
    cluster(name, POINTS[:count])


@pytest.mark.parametrize("name", CLUSTERERS)
@pytest.mark.parametrize("k", [2, 5])
def test_groups_that_are_there_are_found(name: str, k: int) -> None:
    vectors, groups = planted(k, 60)
    found = cluster(name, vectors)
    assert len(set(found.labels) - {NOISE}) == k
    assert likeness(found, groups) > 0.9


@pytest.mark.parametrize("name", CLUSTERERS)
def test_where_there_are_no_groups_there_is_one_cluster(name: str) -> None:
    for seed in range(2):
        assert max(cluster(name, planted(1, 60, seed=seed)[0]).labels) == 0


@pytest.mark.parametrize("name", CLUSTERERS)
def test_the_same_text_many_times_is_one_cluster(name: str) -> None:
    same = np.repeat(planted(1, 1)[0], 40, axis=0)
    assert cluster(name, same).labels == [0] * 40
    found = find(CLUSTERERS[name], same, CLUSTERERS[name].settings(), 0)
    assert found.apart == {}
    assert found.silhouettes == {}
    assert found.stability == [None]


@pytest.mark.parametrize("name", CLUSTERERS)
def test_one_huge_cluster_does_not_swallow_a_small_one(name: str) -> None:
    huge, groups = planted(2, 100)
    few = np.flatnonzero(groups == 1)[:14]
    vectors = np.concatenate([huge[groups == 0], huge[few]])
    found = cluster(name, vectors)
    assert set(found.labels[:50]) <= {0, NOISE}
    assert set(found.labels[50:]) <= {1, NOISE}
    assert found.labels[50:].count(1) >= 10


@pytest.mark.parametrize("name", CLUSTERERS)
def test_points_that_lie_anywhere_are_told_apart(name: str) -> None:
    vectors, groups = planted(3, 120, noise=8)
    found = find(CLUSTERERS[name], vectors, CLUSTERERS[name].settings(), 0)
    noise = set(np.flatnonzero(groups < 0).tolist())
    assert len(found.clusters) == 3
    assert len(noise & set(found.apart)) >= 5
    assert len(set(found.apart) - noise) <= 12
    assert sorted([*found.apart, *(p for c in found.clusters for p in c)]) == list(range(128))


@pytest.mark.parametrize("name", CLUSTERERS)
def test_the_rest_joins_the_clusters_of_a_sample_where_there_are_very_many(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors_module, "SAMPLE", 80)
    vectors, groups = planted(2, 160)
    assert likeness(cluster(name, vectors), groups) > 0.9
    found = find(CLUSTERERS[name], vectors, CLUSTERERS[name].settings(), 0)
    assert len(found.silhouettes) <= 80
    assert all(stable is not None and stable > 0.8 for stable in found.stability)


@pytest.mark.parametrize("name", CLUSTERERS)
def test_a_clusterer_says_what_it_is(name: str) -> None:
    clusterer = CLUSTERERS[name]
    assert clusterer.description
    assert clusterer.version >= 1
    assert (clusterer.settings.__doc__ or "").strip()
    for field in clusterer.settings.model_fields:
        assert meaning(clusterer.settings, field)


def test_any_numbers_may_be_an_algorithms_own_labels_and_noise_stays_noise() -> None:
    assert clustering([7, 7, -1, 7, -1, 3]).labels == [0, 0, NOISE, 0, NOISE, 1]
    assert clustering([4, 5, 5]).labels == [1, 0, 0]
    assert clustering([NOISE]).labels == [NOISE]
