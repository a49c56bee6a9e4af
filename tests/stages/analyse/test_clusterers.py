"""What every clusterer keeps to: a new entry gets these tests for free."""

import numpy as np
import pytest

from engine.stages.analyse.clusterers import CLUSTERERS, Clustering, clustering

POINTS = np.repeat(np.eye(6, dtype=np.float32), [5, 4, 3, 2, 1, 1], axis=0)


@pytest.mark.parametrize("name", CLUSTERERS)
@pytest.mark.parametrize("count", [1, 2, 5, len(POINTS)])
def test_every_point_has_a_label_and_labels_count_from_the_largest_cluster(
    name: str, count: int
) -> None:
    clusterer = CLUSTERERS[name]
    settings = clusterer.settings()
    found = clusterer.cluster(POINTS[:count], settings, 0)
    sizes = [found.labels.count(label) for label in sorted(set(found.labels))]
    assert sorted(set(found.labels)) == list(range(len(sizes)))
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == count
    assert len(sizes) <= clusterer.at_most(settings)
    assert found.silhouettes is None or len(found.silhouettes) == count
    assert clusterer.cluster(POINTS[:count], settings, 0) == found


@pytest.mark.parametrize("name", CLUSTERERS)
def test_a_clusterer_says_what_it_is(name: str) -> None:
    clusterer = CLUSTERERS[name]
    assert clusterer.description
    assert clusterer.version >= 1
    assert (clusterer.settings.__doc__ or "").strip()
    for field in clusterer.settings.model_fields.values():
        assert field.description


def test_any_numbers_may_be_an_algorithms_own_labels() -> None:
    found = clustering(POINTS[:6], [7, 7, -1, 7, -1, 3])
    assert found.labels == [0, 0, 1, 0, 1, 2]
    assert found.silhouettes is not None
    assert clustering(POINTS[:2], [4, 4]) == Clustering([0, 0], None)
    assert clustering(POINTS[:2], [4, 5]) == Clustering([0, 1], None)
