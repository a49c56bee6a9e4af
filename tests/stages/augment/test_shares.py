"""How the rows of a round are shared out among patterns."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.rows import Pattern
from engine.stages.augment.shares import apportion, filled


def patterns(sizes: Sequence[int]) -> list[Pattern]:
    """Return patterns of these sizes, named by their place."""
    return [
        Pattern(f"p{i:03}", f"p{i}", "", None, size, (), None, None, None)
        for i, size in enumerate(sizes)
    ]


def given_rows(sizes: Sequence[int], wanted: int) -> list[int]:
    return list(apportion({f"p{i:03}": size for i, size in enumerate(sizes)}, wanted).values())


@pytest.mark.parametrize(
    ("sizes", "wanted", "expected"),
    [
        ([20, 7, 3], 60, [40, 14, 6]),
        ([20, 7, 3], 3, [1, 1, 1]),
        ([20, 7, 3], 2, [1, 1, 0]),
        ([1, 5, 5], 1, [0, 1, 0]),
        ([100, 1, 1], 4, [2, 1, 1]),
        ([0, 0], 5, [0, 0]),
        ([], 5, []),
    ],
    ids=str,
)
def test_rows_go_by_size(sizes: list[int], wanted: int, expected: list[int]) -> None:
    assert given_rows(sizes, wanted) == expected


@given(st.lists(st.integers(1, 500), min_size=1, max_size=16), st.integers(1, 200))
def test_all_rows_are_shared_out_larger_patterns_never_get_fewer(
    sizes: list[int], wanted: int
) -> None:
    found = given_rows(sizes, wanted)
    assert sum(found) == wanted
    assert min(found) >= (1 if wanted >= len(sizes) else 0)
    for size, rows in zip(sizes, found, strict=True):
        for other, others in zip(sizes, found, strict=True):
            # Equal sizes may differ by the one row that is left.
            assert size <= other or rows >= others
            assert size != other or abs(rows - others) <= 1


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20), st.integers(1, 200))
def test_where_shares_are_whole_and_large_enough_they_are_exact(
    sizes: list[int], factor: int
) -> None:
    assert given_rows(sizes, factor * sum(sizes)) == [factor * size for size in sizes]


@pytest.mark.parametrize(
    ("there", "most", "expected"),
    [
        ([20, 2, 7], 12, [5, 2, 5]),
        ([3, 3, 3], 5, [2, 2, 1]),
        ([3, 3, 3], 2, [1, 1, 0]),
        ([3, 1], 10, [3, 1]),
        ([], 4, []),
    ],
    ids=str,
)
def test_each_keeps_as_many_as_the_others_as_far_as_it_has_them(
    there: list[int], most: int, expected: list[int]
) -> None:
    assert list(filled(dict(enumerate(there)), most).values()) == expected


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=6),
    st.integers(0, 20),
)
def test_what_is_cut_in_between_is_nothing_that_would_have_been_kept(
    parts: list[list[int]], most: int
) -> None:
    held = [0] * 4
    for part in parts:
        held = list(filled({n: held[n] + part[n] for n in range(4)}, most).values())
    whole = {n: sum(part[n] for part in parts) for n in range(4)}
    assert held == list(filled(whole, most).values())
