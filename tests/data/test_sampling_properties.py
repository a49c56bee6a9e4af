"""Properties of samples and splits, for rows that nobody thought of."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.data.records import Record
from engine.data.sampling import (
    Parts,
    Sampler,
    count_different,
    fill_splits,
    group_train_test_split,
    train_test_split,
)
from engine.spec.recipe import SplitFrom

LABELS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.fixed_dictionaries(
    {"text": st.text(max_size=3), "label": LABELS},
    optional={"page": st.none() | st.integers(0, 4) | st.text("xy", max_size=1)},
)
SEEDS = st.integers(0, 2**16)


def numbered(rows: list[dict[str, Any]]) -> list[Record]:
    return [Record(line, values) for line, values in enumerate(rows, start=1)]


ROWS = st.lists(VALUES, min_size=1, max_size=40).map(numbered)


def lines(records: list[Record]) -> list[int]:
    return [record.line for record in records]


def contents(records: list[Record]) -> Counter[str]:
    return Counter(json.dumps(record.values, sort_keys=True) for record in records)


def texts(records: list[Record]) -> set[str]:
    return {record.values["text"] for record in records}


def shuffled(data: st.DataObject, records: list[Record]) -> list[Record]:
    order = data.draw(st.permutations(range(len(records))))
    return [records[index] for index in order]


def is_parted(records: list[Record], parts: Parts) -> None:
    """Each row is on one side, and both sides are in the rows' order."""
    assert sorted(lines(parts.train) + lines(parts.test)) == lines(records)
    assert lines(parts.train) == sorted(lines(parts.train))
    assert lines(parts.test) == sorted(lines(parts.test))


def split(
    records: list[Record], size: int, seed: int = 0, target: str | None = "label"
) -> Parts | None:
    """Part rows; None where so many cannot be taken."""
    try:
        return train_test_split(records, size, seed, ["text"], target)
    except ValueError:
        return None


@given(ROWS, st.integers(1, 40), SEEDS, st.sampled_from([None, "label"]))
def test_a_split_takes_as_many_different_rows_as_asked_for_or_says_that_it_cannot(
    records: list[Record], size: int, seed: int, target: str | None
) -> None:
    different = count_different(records, ["text"])
    parts = split(records, size, seed, target)
    if parts is None:
        # One row of each label stays, or one row at all.
        assert size > different - len({label for _, label in strata(records, target)})
        return
    is_parted(records, parts)
    assert count_different(parts.test, ["text"]) == size
    assert not texts(parts.train) & texts(parts.test)


def strata(records: list[Record], target: str | None) -> set[tuple[str, str]]:
    """Return the different rows, each with the stratum that it counts to."""
    labels: dict[str, list[str]] = defaultdict(list)
    for record in records:
        labels[record.values["text"]].append(record.values[target] if target else "")
    return {(text, min(found)) for text, found in labels.items()}


@given(ROWS, st.integers(1, 12), SEEDS)
def test_labels_keep_their_shares_within_rounding_and_none_is_taken_whole(
    records: list[Record], size: int, seed: int
) -> None:
    parts = split(records, size, seed)
    if parts is None:
        return
    whole = Counter(label for _, label in strata(records, "label"))
    taken = Counter(label for text, label in strata(records, "label") if text in texts(parts.test))
    total = sum(whole.values())
    exact = {label: Fraction(size * count, total) for label, count in whole.items()}
    assert all(taken[label] < count for label, count in whole.items())
    if all(share <= whole[label] - 1 for label, share in exact.items()):
        assert all(abs(taken[label] - share) < 1 for label, share in exact.items())


@given(st.data(), ROWS, st.integers(1, 20), SEEDS)
def test_a_split_does_not_depend_on_the_order_of_rows(
    data: st.DataObject, records: list[Record], size: int, seed: int
) -> None:
    parts = split(records, size, seed)
    again = split(shuffled(data, records), size, seed)
    assert (parts is None) == (again is None)
    if parts is not None and again is not None:
        assert contents(parts.test) == contents(again.test)
        assert split(records, size, seed) == parts


@given(ROWS, st.integers(1, 20), SEEDS)
def test_more_rows_are_taken_by_adding_to_fewer(
    records: list[Record], size: int, seed: int
) -> None:
    fewer, more = (split(records, n, seed, None) for n in (size, size + 1))
    if more is None:
        return
    assert fewer is not None
    assert texts(fewer.test) < texts(more.test)


@given(st.data(), ROWS, st.integers(1, 30), SEEDS)
def test_a_group_stays_on_one_side(
    data: st.DataObject, records: list[Record], size: int, seed: int
) -> None:
    try:
        parts = group_train_test_split(records, size, seed, ["text"], "page")
    except ValueError:
        return
    is_parted(records, parts)
    sides = [{json.dumps(r.values["page"]) for r in rows if r.values.get("page") is not None}
             for rows in parts]  # fmt: skip
    assert not sides[0] & sides[1]
    assert parts.train
    alone = [texts([r for r in rows if r.values.get("page") is None]) for rows in parts]
    assert not alone[0] & alone[1]
    again = group_train_test_split(shuffled(data, records), size, seed, ["text"], "page")
    assert contents(again.test) == contents(parts.test)


@given(ROWS, st.integers(1, 30), SEEDS)
def test_groups_are_taken_until_there_are_enough_rows_and_no_longer(
    records: list[Record], size: int, seed: int
) -> None:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        page = record.values.get("page")
        key = ["page", page] if page is not None else ["text", record.values["text"]]
        groups[json.dumps(key)].append(record)
    largest = max(count_different(rows, ["text"]) for rows in groups.values())
    total = sum(count_different(rows, ["text"]) for rows in groups.values())
    try:
        parts = group_train_test_split(records, size, seed, ["text"], "page")
    except ValueError:
        assert size > total - largest
        return
    taken = sum(
        count_different(rows, ["text"]) for rows in groups.values() if rows[0] in parts.test
    )
    assert size <= taken < size + largest


@given(st.data(), ROWS, st.integers(1, 30), SEEDS, st.sampled_from([None, "label"]))
def test_a_sample_has_its_size_and_order_whatever_the_order_of_rows(
    data: st.DataObject, records: list[Record], n: int, seed: int, per: str | None
) -> None:
    def drawn(rows: list[Record]) -> list[Record]:
        sampler = Sampler(n, per, seed)
        for record in rows:
            sampler.add(record)
        return sampler.records()

    sample = drawn(records)
    assert lines(sample) == sorted(lines(sample))
    once = contents(sample)
    assert set(once.values()) <= {1}
    groups: dict[str, set[str]] = defaultdict(set)
    for record in records:
        key = record.values["label"] if per else ""
        groups[key].add(json.dumps(record.values, sort_keys=True))
    sizes = Counter(record.values["label"] if per else "" for record in sample)
    assert sizes == {key: min(n, len(rows)) for key, rows in groups.items()}
    assert contents(drawn(shuffled(data, records))) == once
    assert drawn(records) == sample


@given(ROWS, st.integers(1, 10), SEEDS)
def test_rows_that_differ_in_their_acceptable_answers_alone_are_different_rows(
    records: list[Record], n: int, seed: int
) -> None:
    sampler = Sampler(2 * len(records), None, seed)
    for record in records:
        sampler.add(record)
        sampler.add(record._replace(references=(record.values["label"], "another")))
    assert len(sampler.records()) == 2 * len(contents(records))


TAKERS = st.builds(
    SplitFrom,
    split=st.sampled_from(["train", "test"]),
    rows=st.integers(1, 12),
    seed=SEEDS,
    group=st.none() | st.just("page"),
)


@given(ROWS, st.dictionaries(st.sampled_from(["validation", "test"]), TAKERS))
def test_no_row_is_lost_or_used_twice_when_splits_take_from_one_another(
    records: list[Record], takers: dict[str, SplitFrom]
) -> None:
    filled = fill_splits({"train": records}, takers, ["text"], "label")
    assert sorted(n for rows in filled.splits.values() for n in lines(rows)) == lines(records)
    from_train = {name for name, taker in takers.items() if taker.split == "train"}
    assert filled.splits.keys() - {"train"} == from_train - filled.faults.keys()
    assert filled.splits["train"]


@given(st.integers(2, 200), st.floats(0.001, 0.999), SEEDS)
def test_a_share_is_rounded_and_takes_one_row_at_least(count: int, share: float, seed: int) -> None:
    records = numbered([{"text": str(n), "label": "a"} for n in range(count)])
    filled = fill_splits(
        {"train": records}, {"test": SplitFrom(share=share, seed=seed)}, ["text"], None
    )
    wanted = max(1, round(share * count))
    if wanted == count:
        assert "can be taken" in filled.faults["test"].message
    else:
        assert len(filled.splits["test"]) == wanted


def test_both_of_two_seeds_draw_every_row_sometimes() -> None:
    records = numbered([{"text": str(n), "label": "a"} for n in range(30)])
    drawn = Counter[str]()
    for seed in range(400):
        drawn.update(texts(train_test_split(records, 10, seed, ["text"], None).test))
    # Each row's share of the draws is 1/3, with a standard deviation of 0.024 in 400 draws.
    assert all(count / 400 == pytest.approx(1 / 3, abs=0.11) for count in drawn.values())
    assert len(drawn) == 30
