"""neighbours: labels that say how sure they are, and are as often right as they say."""

import numpy as np
import numpy.typing as npt
import pytest

from engine.stages.augment.mining.neighbours import Neighbours

Rows = tuple[npt.NDArray[np.float32], list[str]]


def drawn(seed: int, each: int, spread: float, labels: int = 4) -> Rows:
    """Return unit vectors around a centre per label, and their labels."""
    centres = np.eye(labels, 16)
    noise = np.random.default_rng(seed).normal(size=(labels * each, 16)) * spread
    vectors = np.repeat(centres, each, axis=0) + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = [f"label {n}" for n in range(labels) for _ in range(each)]
    return vectors.astype(np.float32), names


def test_rows_get_the_label_of_those_near_them_and_the_next_likely_one() -> None:
    guess = Neighbours(*drawn(0, 8, 0.1))
    between = np.zeros((1, 16), dtype=np.float32)
    between[0, 1], between[0, 2] = 0.8, 0.6
    (found,) = guess(between)
    assert (found.label, found.second) == ("label 1", "label 2")


@pytest.mark.parametrize("spread", [0.35, 0.45])
def test_what_is_sure_is_as_often_right_as_it_says(spread: float) -> None:
    guess = Neighbours(*drawn(1, 8, spread))
    vectors, names = drawn(2, 400, spread)
    found = guess(vectors)
    right = np.array([one.label == name for one, name in zip(found, names, strict=True)])
    said = np.array([one.confidence for one in found])
    sure = said >= np.median(said)
    assert right[sure].mean() > right[~sure].mean()
    assert said[sure].mean() == pytest.approx(right[sure].mean(), abs=0.1)


def test_labels_that_training_rows_do_not_tell_apart_are_never_sure() -> None:
    vectors, names = drawn(3, 8, 3.0)
    assert max(one.confidence for one in Neighbours(vectors, names)(vectors)) < 0.8


def test_with_one_label_nothing_is_known_to_be_right() -> None:
    vectors, _ = drawn(4, 5, 0.1, labels=1)
    (found, *_) = Neighbours(vectors, ["only"] * 5)(vectors)
    assert (found.label, found.second, found.confidence) == ("only", "", 0.0)


def test_a_label_with_one_row_can_be_given() -> None:
    vectors, names = drawn(5, 6, 0.05)
    guess = Neighbours(vectors[:19], names[:19])
    assert guess(vectors[20:21])[0].label == "label 3"
