"""k-means: the elbow and the number that is given; and what it does with very many points."""

from typing import Literal

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from engine.stages.analyse.clusterers import NOISE, Clustering, centroid, kmeans, stable_k
from engine.stages.analyse.clusterers.kmeans import KMEANS, KMeansSettings, elbow
from engine.stages.analyse.clusterers.stable_k import rand_index
from tests.stages.analyse.planted import Vectors, likeness, planted


@pytest.fixture(autouse=True)
def _few_numbers_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for ten clusters at most: what is beyond takes most of the time."""
    monkeypatch.setattr(stable_k, "LIMIT", 10)


def cluster(vectors: Vectors, k: int | Literal["auto", "elbow"], max_k: int = 8) -> Clustering:
    return KMEANS.cluster(vectors, KMeansSettings(k=k, max_k=max_k, outliers=None), 0)


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_elbow_finds_well_separated_clusters(k: int) -> None:
    vectors, groups = planted(k, 12 * k, spread=0.05)
    assert likeness(cluster(vectors, "elbow"), groups) == 1.0


def test_the_elbow_is_fooled_by_structureless_data_and_by_its_bound_and_auto_is_not() -> None:
    flat, _ = planted(1, 60)
    assert max(cluster(flat, "elbow").labels) > 0
    assert max(cluster(flat, "auto").labels) == 0
    vectors, groups = planted(8, 96)
    assert max(cluster(vectors, "elbow", max_k=8).labels) + 1 < 8
    for bound in (8, 40):
        assert likeness(cluster(vectors, "auto", bound), groups) == 1.0


def test_a_bound_below_what_is_found_is_kept_to_and_said() -> None:
    vectors, _ = planted(6, 72)
    found = cluster(vectors, "auto", 4)
    assert max(found.labels) + 1 == 4
    assert "fall into 6 clusters" in found.note
    assert "raise it to 6" in found.note
    assert cluster(vectors, "auto", 6).note == ""


def test_the_number_that_is_given_is_kept_to_where_there_are_as_many_different_points() -> None:
    vectors, _ = planted(6, 30, spread=0.05)
    for k in (1, 3, 9):
        assert max(cluster(vectors, k).labels) + 1 == k
    assert cluster(np.repeat(vectors[:2], 5, axis=0), 4).labels == [0] * 5 + [1] * 5
    assert KMEANS.at_most(KMeansSettings(k=3)) == KMEANS.at_most(KMeansSettings(max_k=3)) == 3


def test_resamples_are_clustered_with_the_number_that_was_found() -> None:
    vectors, _ = planted(3, 60)
    for k in ("auto", "elbow"):
        fixed = cluster(vectors, k).fixed
        assert isinstance(fixed, KMeansSettings)
        assert fixed.k == 3


def test_elbow_of_flat_and_short_curves() -> None:
    assert elbow([1.0]) == 1
    assert elbow([1.0, 0.5]) == 1
    assert elbow([1.0, 1.0, 1.0]) == 1
    assert elbow([10, 4, 1, 0.9, 0.8, 0.7]) == 3


def test_outliers_are_noise_unless_every_diagnosis_is_to_belong_somewhere() -> None:
    vectors, groups = planted(3, 90, noise=5)
    strict = KMEANS.cluster(vectors, KMeansSettings(k=3), 0)
    assert set(np.flatnonzero(np.array(strict.labels) == NOISE)) >= set(np.flatnonzero(groups < 0))
    assert NOISE not in KMEANS.cluster(vectors, KMeansSettings(k=3, outliers=None), 0).labels


def test_most_texts_the_same_make_no_outliers_of_the_others() -> None:
    vectors, _ = planted(1, 20)
    mostly = np.concatenate([np.repeat(vectors[:1], 20, axis=0), vectors[:4]])
    assert NOISE not in KMEANS.cluster(mostly, KMeansSettings(k=1), 0).labels


def test_very_many_points_are_learned_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, groups = planted(3, 120)
    monkeypatch.setattr(kmeans, "LARGE", 100)
    monkeypatch.setattr(kmeans, "BATCH", 40)
    found = cluster(vectors, "auto")
    assert likeness(found, groups) > 0.98
    assert cluster(vectors, "auto") == found


def test_centroid_has_unit_length() -> None:
    assert np.linalg.norm(centroid(planted(1, 7)[0])) == pytest.approx(1.0, abs=1e-5)


def test_the_rand_index_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    for a, b in ((1, 1), (1, 4), (3, 5), (8, 8)):
        one, other = random.integers(a, size=40), random.integers(b, size=40)
        assert rand_index(one, other) == pytest.approx(adjusted_rand_score(one, other))
