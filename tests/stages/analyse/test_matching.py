"""Which earlier patterns clusters continue: by rows in common, by embeddings, by categories, all at once."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pytest

from engine.stages.analyse.clusterers import centroid
from engine.stages.analyse.matching import (
    SAME,
    Group,
    Known,
    match,
    most_frequent,
    thresholds,
    to_the_others,
)

Vectors = npt.NDArray[np.float32]


def drawn(seed: int, topic: int, n: int = 12, spread: float = 0.6) -> Vectors:
    """Return unit vectors that lie around one of many directions."""
    draw = np.random.default_rng([seed, topic])
    centre = np.random.default_rng(topic).normal(size=32)
    found = centre / np.linalg.norm(centre) + spread * draw.normal(size=(n, 32)) / 32**0.5
    unit: Vectors = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return unit


def group(vectors: Vectors, members: Iterable[str], category: str | None = None) -> Group:
    centre = centroid(vectors)
    return Group(frozenset(members), centre, [float(s) for s in vectors @ centre], category)


def known(name: str, vectors: Vectors, members: Iterable[str] = (), category: str | None = None) -> Known:  # fmt: skip
    return Known(name, set(members), centroid(vectors), category)


def rows(start: int, end: int) -> list[str]:
    return [f"e{i}" for i in range(start, end)]


def continued(groups: Sequence[Group], patterns: Sequence[Known]) -> list[str | None]:
    return [one.continues for one in match(groups, patterns)]


def test_other_rows_of_the_same_weakness_continue_its_pattern() -> None:
    groups = [group(drawn(1, t), rows(100 * t, 100 * t + 12)) for t in range(5)]
    patterns = [known(f"p{t}", drawn(0, t)) for t in (3, 1, 4, 0, 2)]
    assert continued(groups, patterns) == [f"p{t}" for t in range(5)]


def test_a_weakness_that_is_new_continues_none() -> None:
    groups = [group(drawn(1, t), rows(100 * t, 100 * t + 12)) for t in range(5)]
    patterns = [known(f"p{t}", drawn(0, t)) for t in (5, 6, 7, 0)]
    assert continued(groups, patterns) == ["p0", None, None, None, None]


def test_the_threshold_comes_from_the_round_and_not_from_the_embedder() -> None:
    # An embedder whose texts all lie in one corner: what is apart there is nearer than what is the same elsewhere.
    corner = np.full(32, 1.0, dtype=np.float32) / 32**0.5

    def near(vectors: Vectors) -> Vectors:
        moved = vectors + 3 * corner
        unit: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit

    groups = [group(near(drawn(1, t)), rows(100 * t, 100 * t + 12)) for t in range(5)]
    patterns = [known(f"p{t}", near(drawn(0, t))) for t in (0, 1, 7)]
    strangers = [float(g.centre @ np.asarray(patterns[2].centre)) for g in groups]
    assert min(strangers) > 0.85, "an absolute 0.8 would match them"
    assert continued(groups, patterns) == ["p0", "p1", None, None, None]


def test_rows_say_more_than_embeddings() -> None:
    groups = [group(drawn(1, 0), rows(0, 12)), group(drawn(1, 1), rows(12, 24))]
    patterns = [
        known("p-here", drawn(0, 8), rows(0, 10)),
        known("p-like", drawn(0, 0), rows(50, 60)),
    ]
    assert continued(groups, patterns) == ["p-here", None]


def test_together_they_fit_best_where_one_at_a_time_would_not() -> None:
    # Both clusters could continue the first pattern, but only the second of them can continue nothing else.
    groups = [group(drawn(1, 0), rows(0, 12)), group(drawn(1, 1), rows(12, 24))]
    patterns = [
        known("p0", drawn(0, 0), rows(12, 19)),
        known("p1", drawn(0, 0), []),
    ]
    assert continued(groups, patterns) == ["p1", "p0"]


def test_another_category_is_another_pattern_unless_the_rows_are_the_same() -> None:
    groups = [group(drawn(1, t), rows(100 * t, 100 * t + 12), "slang") for t in range(3)]
    assert continued(groups, [known("p0", drawn(0, 0), [], "slang")]) == ["p0", None, None]
    assert continued(groups, [known("p0", drawn(0, 0), [], "negation")]) == [None] * 3
    again = known("p0", drawn(0, 0), rows(0, 12), "negation")
    assert continued(groups, [again]) == ["p0", None, None]


def test_most_of_a_clusters_members_make_a_split_and_a_few_do_not() -> None:
    groups = [group(drawn(1, 0), rows(0, 12)), group(drawn(1, 1), rows(12, 24))]
    first, second = match(groups, [known("p0", drawn(0, 0), rows(0, 20))])
    assert (first.continues, first.split_from) == ("p0", None)
    assert (second.continues, second.split_from) == (None, "p0")
    _, few = match(groups, [known("p0", drawn(0, 0), rows(0, 17))])
    assert (few.split_from, few.shared) == (None, {"p0": 5})


def test_a_merger_needs_most_of_what_fails_again_of_each() -> None:
    groups = [group(drawn(1, 0), rows(0, 12)), group(drawn(1, 1), rows(12, 24))]
    # Of the second pattern's rows that fail again, two go there and ten elsewhere.
    patterns = [known("p0", drawn(0, 0), rows(0, 8)), known("p1", drawn(0, 1), rows(10, 22))]
    assert [one.merged for one in match(groups, patterns)] == [(), ()]
    both = [known("p0", drawn(0, 0), rows(0, 6)), known("p1", drawn(0, 9), [*rows(6, 12), *rows(40, 90)])]  # fmt: skip
    one, _ = match(groups, both)
    assert (one.continues, one.merged) == ("p0", ("p1",)), "rows that are right now do not count"


@pytest.mark.parametrize("seed", range(8))
def test_clusters_drawn_at_random_from_the_same_failures_are_no_splits_nor_mergers(
    seed: int,
) -> None:
    order = list(np.random.default_rng(seed).permutation(60))
    groups = [group(drawn(seed, 20 + i), [f"e{n}" for n in order[i::3]]) for i in range(3)]
    patterns = [known(f"p{i}", drawn(0, 30 + i), rows(20 * i, 20 * i + 20)) for i in range(3)]
    found = match(groups, patterns)
    assert {one.split_from for one in found} == {None}
    assert {one.merged for one in found} == {()}


def test_single_failures_show_nothing_so_only_the_same_is_the_same() -> None:
    alone = [group(drawn(1, t, n=1), [f"e{t}"]) for t in range(3)]
    assert thresholds(alone) == [SAME] * 3
    assert continued(alone, [known("p0", drawn(0, 0))]) == [None] * 3
    assert continued(alone, [known("p0", drawn(1, 0, n=1))]) == ["p0", None, None]


def test_a_pattern_of_another_embedder_is_matched_by_rows_alone() -> None:
    groups = [group(drawn(1, 0), rows(0, 12))]
    assert continued(groups, [Known("p0", set(rows(0, 12)), None)]) == ["p0"]
    assert continued(groups, [Known("p0", set(), [1.0, 0.0])]) == [None]


def test_how_near_members_lie_to_the_others_needs_no_vectors() -> None:
    vectors = drawn(0, 0, n=7)
    centre = centroid(vectors)
    others = vectors.sum(axis=0) - vectors
    expected = (vectors * others).sum(axis=1) / np.linalg.norm(others, axis=1)
    assert to_the_others([float(s) for s in vectors @ centre]) == pytest.approx(expected, abs=1e-4)


def test_the_edges() -> None:
    assert match([], [known("p0", drawn(0, 0))]) == []
    assert continued([group(drawn(0, 0), rows(0, 12))], []) == [None]
    assert most_frequent(["a", "a", None]) == "a"
    assert most_frequent(["a", "b"]) is None
    assert most_frequent([None, None, "a"]) is None
    with pytest.raises(ValueError, match="the same id"):
        match([group(drawn(0, 0), rows(0, 12))], [known("p0", drawn(0, 0))] * 2)
