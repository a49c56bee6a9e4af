"""Agglomerative clustering: by a distance that is a quantile, and settings that contradict each other."""

import numpy as np
import pytest
from pydantic import ValidationError

from engine.stages.analyse.clusterers.agglomerative import AGGLOMERATIVE, AgglomerativeSettings
from engine.stages.analyse.clusterers.vectors import Linkage, cuts
from tests.stages.analyse.planted import likeness, planted


@pytest.mark.parametrize("linkage", ["average", "ward"])
@pytest.mark.parametrize("k", ["auto", 4])
def test_both_linkages_find_groups(linkage: Linkage, k: int) -> None:
    vectors, groups = planted(4, 60)
    settings = AgglomerativeSettings(linkage=linkage, k=k, outliers=None)
    assert likeness(AGGLOMERATIVE.cluster(vectors, settings, 0), groups) > 0.95


def test_a_threshold_joins_what_is_nearer_than_a_quantile_of_all_distances() -> None:
    vectors, _ = planted(4, 60)

    def found(threshold: float) -> int:
        settings = AgglomerativeSettings(linkage="average", threshold=threshold, outliers=None)
        return max(AGGLOMERATIVE.cluster(vectors, settings, 0).labels) + 1

    # A quarter of all pairs are of one group.
    assert found(0.3) == 4
    assert found(0.02) > 4
    assert found(0.99) == 1
    assert AGGLOMERATIVE.cluster(
        vectors[:1], AgglomerativeSettings(linkage="average", threshold=0.3), 0
    ).labels == [0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 0.2}, "needs linkage: average"),
        ({"threshold": 0.2, "linkage": "average", "k": 3}, "leave one out"),
        ({"k": 0}, "k must be at least 1, or auto"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        AgglomerativeSettings.model_validate(settings)


def test_a_tree_is_cut_into_exactly_as_many_clusters_where_all_distances_are_the_same() -> None:
    for labels, count in zip(
        cuts(np.eye(6, dtype=np.float32), range(1, 7), "ward"), range(1, 7), strict=True
    ):
        assert sorted(set(labels.tolist())) == list(range(count))
