"""Krippendorff's alpha against the worked examples of its author."""

import pytest

from engine.statistics import krippendorff_alpha

# Computing Krippendorff's Alpha-Reliability (2011), section B: two observers, nothing missing.
BEN = ["a", "a", "b", "b", "d", "c", "c", "c", "e", "d", "d", "a"]
GERRY = ["b", "a", "b", "b", "b", "c", "c", "c", "e", "d", "d", "d"]
# Section C: four observers, and some saw not everything.
FOUR = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]


def test_two_observers_as_published() -> None:
    found = krippendorff_alpha(list(zip(BEN, GERRY, strict=True)))
    assert found.alpha == pytest.approx(0.692, abs=0.0005)
    assert (found.units, found.agreed) == (12, 9)
    assert found.low is not None
    assert found.high is not None
    assert 0.2 < found.low < 0.692 < found.high <= 1


def test_four_observers_with_gaps_as_published() -> None:
    by_unit = zip(*(line.split() for line in FOUR), strict=True)
    found = krippendorff_alpha([[v for v in unit if v != "."] for unit in by_unit])
    assert found.alpha == pytest.approx(0.743, abs=0.0005)
    assert found.units == 11


def test_the_interval_is_the_same_each_time_and_certain_only_where_nothing_varies() -> None:
    units = list(zip(BEN, GERRY, strict=True))
    assert krippendorff_alpha(units) == krippendorff_alpha(units)
    assert krippendorff_alpha([("a", "a"), ("b", "b")] * 6)[:3] == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("units", [[], [("a",), ("b",)], [("a", "a"), ("a", "a")]])
def test_without_two_words_or_two_categories_there_is_no_alpha(units: list[tuple[str]]) -> None:
    assert krippendorff_alpha(units)[:3] == (None, None, None)
