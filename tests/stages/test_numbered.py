"""Several things in one call: which call each is in, and of which the reply speaks."""

from engine.stages.numbered import MISSING, TWICE, by_id, calls_of, drops, ids


def test_calls_are_about_the_same_size_and_the_same_for_the_same_rows() -> None:
    items = list(range(17))
    calls = calls_of(items, items, 4)
    assert sorted(map(len, calls)) == [3, 3, 3, 4, 4]
    assert sorted(item for call in calls for item in call) == items
    assert [item for call in calls for item in call] != items
    assert calls_of(items, items, 4) == calls
    assert calls_of([], [], 4) == []
    assert calls_of(items[:3], items[:3], 1) != [[0, 1, 2]]


def test_a_reply_is_read_by_the_ids_of_what_was_asked() -> None:
    items = [{"id": "r3", "n": 3}, {"id": " R1", "n": 1}, {"id": "r1", "n": 9}, {"id": "x", "n": 0}]
    found = by_id({"rows": items}, "rows", ids(4))
    assert ids(4) == ["r1", "r2", "r3", "r4"]
    assert found.items == {"r3": items[0]}
    assert found.unusable == {"r1": TWICE, "r2": MISSING, "r4": MISSING}
    assert found.not_asked == ["x"]


def test_a_flat_reply_is_of_the_one_thing() -> None:
    found = by_id({"adherence": 3}, "rows", ids(1, "f"))
    assert found.items == {"f1": {"adherence": 3, "id": "f1"}}
    assert (found.unusable, found.not_asked) == ({}, [])


def test_what_is_unusable_is_a_drop_of_its_item_and_what_was_not_asked_one_of_the_call() -> None:
    items = [{"id": "r1"}, {"id": "r1"}, {"id": "a" * 30}]
    found = by_id({"rows": items}, "rows", ids(2))
    kept = list(drops("verify", found, {"r1": "c1", "r2": "c2"}, "call", "the reply of sample 2"))
    assert [(d.stage, d.item, d.reason, d.detail) for d in kept] == [
        ("verify", "c1", TWICE, "the reply of sample 2 says two things of it (r1)"),
        ("verify", "c2", MISSING, "the reply of sample 2 says nothing of it (r2)"),
        (
            "verify",
            f"call {'a' * 20}",
            "not_asked",
            f"the reply of sample 2 speaks of '{'a' * 20}', which is not in the call",
        ),
    ]
