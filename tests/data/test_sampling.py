"""Rows taken out of one split for another: seeded, stratified, independent of the order of rows."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from engine.data.records import Record
from engine.data.sampling import fill_splits, train_test_split
from engine.spec.recipe import SplitFrom

ROWS = [
    Record(n + 1, {"text": f"row {n}", "y": "rare" if n % 20 == 0 else "ab"[n % 2]}) for n in range(200)
]  # fmt: skip


def texts(records: list[Record]) -> set[str]:
    return {record.values["text"] for record in records}


def test_labels_keep_their_shares_on_both_sides() -> None:
    rest, taken = train_test_split(ROWS, 40, 0, ["text"], "y")
    assert Counter(record.values["y"] for record in taken) == {"a": 18, "b": 20, "rare": 2}
    assert texts(rest) | texts(taken) == texts(ROWS)
    assert not texts(rest) & texts(taken)
    assert [record.line for record in taken] == sorted(record.line for record in taken)


def test_the_draw_goes_by_seed_and_content_not_by_order() -> None:
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    drawn = [texts(train_test_split(rows, 40, seed, ["text"], "y").test)
             for rows, seed in ((ROWS, 0), (shuffled, 0), (ROWS, 1))]  # fmt: skip
    assert drawn[0] == drawn[1] != drawn[2]


def test_equal_inputs_stay_on_one_side() -> None:
    rows = [*ROWS[:20], *ROWS[:20]]
    rest, taken = train_test_split(rows, 5, 0, ["text"], None)
    assert len(taken) == 10
    assert not texts(rest) & texts(taken)


def test_no_label_is_taken_whole() -> None:
    rows = [Record(n, {"text": str(n), "y": "ab"[n < 8]}) for n in range(10)]
    rest, taken = train_test_split(rows, 8, 0, ["text"], "y")
    assert {record.values["y"] for record in rest} == {"a", "b"}
    assert len(taken) == 8
    with pytest.raises(ValueError, match="9 of 10 different rows are asked for, 8 can be taken"):
        train_test_split(rows, 9, 0, ["text"], "y")


def test_two_splits_take_from_one_and_shares_count_from_all_of_it() -> None:
    how = SplitFrom(share=0.1)
    filled = fill_splits({"train": ROWS}, {"validation": how, "test": how}, ["text"], "y")
    assert not filled.faults
    assert {name: len(rows) for name, rows in filled.splits.items()} == {
        "train": 160, "validation": 20, "test": 20,
    }  # fmt: skip
    assert not texts(filled.splits["validation"]) & texts(filled.splits["test"])


def test_asking_for_too_much_is_a_fault_of_that_split() -> None:
    filled = fill_splits({"train": ROWS}, {"test": SplitFrom(rows=900)}, ["text"], None)
    assert "900 of 200" in filled.faults["test"].message
    assert len(filled.splits["train"]) == 200


QUESTIONS = [
    Record(n, {"q": str(n), "page": f"page {n // 3}", "y": "ab"[n % 2]}) for n in range(30)
]


def test_a_group_stays_on_one_side() -> None:
    how = SplitFrom(rows=10, group="page")
    splits = fill_splits({"train": QUESTIONS}, {"test": how}, ["q"], "y").splits
    pages = {name: {r.values["page"] for r in rows} for name, rows in splits.items()}
    assert not pages["train"] & pages["test"]
    # Whole groups until there are ten rows.
    assert (len(splits["train"]), len(splits["test"])) == (18, 12)


def test_a_row_without_a_group_is_one_by_itself() -> None:
    rows = [Record(n, {"q": str(n), "page": None}) for n in range(9)] + QUESTIONS
    how = SplitFrom(rows=20, seed=1, group="page")
    taken = fill_splits({"train": rows}, {"test": how}, ["q"], None).splits["test"]
    assert 0 < sum(row.values["page"] is None for row in taken) < 9


@pytest.mark.parametrize(("group", "rows", "message"), [
    ("pagee", 3, "no row has a column 'pagee' to group by"),
    ("page", 29, "29 rows of 10 groups are asked for, and none would stay"),
])  # fmt: skip
def test_groups_that_cannot_be_are_a_fault(group: str, rows: int, message: str) -> None:
    how = SplitFrom(rows=rows, group=group)
    filled = fill_splits({"train": QUESTIONS}, {"test": how}, ["q"], None)
    assert filled.faults["test"].message == message
    assert "test" not in filled.splits
