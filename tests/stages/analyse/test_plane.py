"""The map of diagnoses: where vectors lie along the two directions in which they differ most."""

import numpy as np
import pytest

from engine.stages.analyse.clusterers import vectors as blocks
from engine.stages.analyse.clusterers.plane import axes_of, places


def kinds(each: int, seed: int = 0) -> np.ndarray:
    """Return unit vectors around three directions of twenty."""
    draw = np.random.default_rng(seed)
    found = np.repeat(np.eye(20)[:3], each, axis=0) + draw.normal(0, 0.05, (3 * each, 20))
    unit: np.ndarray = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit


def test_what_is_alike_lies_together_and_always_in_the_same_place() -> None:
    vectors = kinds(12)
    axes = axes_of(vectors)
    placed = places(vectors, axes)
    assert placed.shape == (36, 2)
    assert np.abs(placed.mean(axis=0)).max() < 1e-5
    groups = placed.reshape(3, 12, 2)
    centres = groups.mean(axis=1)
    within = max(
        float(np.linalg.norm(g - c, axis=1).max()) for g, c in zip(groups, centres, strict=True)
    )
    between = min(
        float(np.linalg.norm(centres[a] - centres[b])) for a, b in ((0, 1), (0, 2), (1, 2))
    )
    assert between > 2 * within
    assert [(axis.axis, round(float(np.linalg.norm(axis.direction)), 4)) for axis in axes] == [
        (1, 1.0),
        (2, 1.0),
    ]
    assert axes == axes_of(vectors)
    # The first axis is that along which more is told apart, as a decomposition of the whole says too.
    strength = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)
    assert np.allclose(np.linalg.norm(placed, axis=0), strength[:2], rtol=1e-4)


def test_later_ones_lie_in_the_frame_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    first, later = kinds(12), kinds(4, seed=1)
    axes = axes_of(first)
    centres = places(first, axes).reshape(3, 12, 2).mean(axis=1)
    moved = places(later, axes).reshape(3, 4, 2).mean(axis=1)
    assert np.abs(centres - moved).max() < 0.15
    monkeypatch.setattr("engine.stages.analyse.clusterers.plane.BLOCK", 5)
    assert blocks.BLOCK > 5
    assert np.allclose(
        [a.direction for a in axes_of(first)], [a.direction for a in axes], atol=1e-5
    )


@pytest.mark.parametrize("rows", [[], [0], [0, 1], [0, 0, 0, 0], [0, 1, 0, 1]])
def test_what_does_not_differ_in_two_directions_has_no_map(rows: list[int]) -> None:
    assert axes_of(np.eye(4, dtype=np.float32)[rows]) == []
