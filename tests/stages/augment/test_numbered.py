"""Several rows in one call: who is in it, and whom the reply speaks of."""

from engine.stages.augment.numbered import MISSING, TWICE, calls_of, ids, numbered


def test_calls_are_about_the_same_size_and_the_same_for_the_same_rows() -> None:
    items = list(range(17))
    calls = calls_of(items, items, 4)
    assert sorted(map(len, calls)) == [3, 3, 3, 4, 4]
    assert sorted(item for call in calls for item in call) == items
    assert [item for call in calls for item in call] != items
    assert calls_of(items, items, 4) == calls
    assert calls_of([], [], 4) == []
    assert calls_of(items[:3], items[:3], 1) != [[0, 1, 2]]


def test_a_reply_is_read_by_the_ids_of_its_rows() -> None:
    items = [{"id": "r3", "n": 3}, {"id": "r1", "n": 1}, {"id": "r1", "n": 9}, {"id": "x", "n": 0}]
    found = numbered({"rows": items}, "rows", 4)
    assert ids(4) == ["r1", "r2", "r3", "r4"]
    assert found.items == [None, None, items[0], None]
    assert found.missing == [TWICE, MISSING, "", MISSING]
    assert found.not_asked == ["x"]


def test_a_flat_reply_is_the_one_row() -> None:
    found = numbered({"adherence": 3}, "rows", 1)
    assert found.items == [{"adherence": 3, "id": "r1"}]
    assert (found.missing, found.not_asked) == ([""], [])
