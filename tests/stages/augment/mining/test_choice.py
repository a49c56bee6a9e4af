"""choice: rows are taken for what is planned, by what counts, and for no label more than is wanted."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from engine.rows import PoolAnswer, PoolRow
from engine.stages.augment.mining.choice import Signals, choose, unsureness, with_spare
from engine.stages.augment.planning import COVERAGE, Slot


def row(number: int, label: str, second: str = "", target: str = "") -> PoolRow:
    return PoolRow(
        f"r{number}", {"text": f"row {number}"}, {}, target, label, second, 0.9, "e1", "", None, "p", number
    )  # fmt: skip


ROWS = [row(n, ("card", "pin")[n % 2], "fee" if n < 4 else "pin") for n in range(12)]


def signals(
    rows: Sequence[PoolRow] = ROWS,
    likeness: Mapping[str, Sequence[float]] | None = None,
    unsure: Sequence[float] | None = None,
    diverse: bool = False,
) -> Signals:
    vectors = np.eye(len(rows), dtype=np.float32)
    return Signals(
        vectors,
        None if likeness is None else {p: np.array(v, np.float32) for p, v in likeness.items()},
        None if unsure is None else np.array(unsure, np.float32),
        diverse,
        [f"{n:02}" for n in range(len(rows))],
    )


def taken(pattern: str, slot: Slot, count: int, given: Signals) -> list[str]:
    return [one.row.id for one in choose(ROWS, {pattern: {slot: count}}, given, fill=False)[0]]


def test_rows_most_like_the_pattern_come_first_and_carry_the_slots_label() -> None:
    given = signals(likeness={"p": [n / 12 for n in range(12)]})
    # One in four more than wanted: gates reject some.
    assert taken("p", Slot("card", None), 2, given) == ["r10", "r8", "r6"]


def test_rows_that_may_be_mistaken_for_the_slots_other_label_come_before_others_like_them() -> None:
    given = signals(likeness={"p": [0.5 + 0.001 * (n == 8) for n in range(12)]})
    assert taken("p", Slot("card", "fee"), 2, given) == ["r8", "r0", "r2"]


def test_rows_of_which_the_student_is_least_sure_come_first() -> None:
    given = signals(unsure=[0.1] * 10 + [0.9, 0.1])
    assert taken(COVERAGE, Slot("card", None), 1, given)[0] == "r10"


@pytest.mark.parametrize(
    ("answer", "confidence", "expected"),
    [("card", 0.75, 0.25), ("card", None, 0.0), ("pin", 0.9, 1.0), (None, None, 1.0)],
)
def test_a_student_that_answers_otherwise_than_a_row_is_labelled_is_not_sure_of_it(
    answer: str | None, confidence: float | None, expected: float
) -> None:
    found = unsureness([row(0, "card")], {"r0": PoolAnswer("r0", answer, confidence)})
    assert found == [expected]


def test_of_alike_rows_the_most_different_ones_are_taken() -> None:
    given = signals(diverse=True)
    vectors = given.vectors.copy()
    vectors[[0, 2, 4]] = vectors[0]
    found = taken(COVERAGE, Slot("card", None), 3, given._replace(vectors=vectors))
    assert len(set(found) & {"r0", "r2", "r4"}) == 1


def test_what_the_pool_lacks_is_filled_with_the_labels_that_have_the_fewest_only_where_it_may() -> (
    None
):
    wanted = {"p": {Slot("card", None): 2, Slot("fee", None): 4}}
    found, lacking = choose(ROWS, wanted, signals(), fill=False)
    assert Counter(one.row.guess for one in found) == {"card": 3}
    assert lacking == {"p": {Slot("fee", None): 4}}
    filled, _ = choose(ROWS, wanted, signals(), fill=True)
    assert Counter(one.row.guess for one in filled) == {"card": 4, "pin": 4}
    assert [one.pattern for one in filled[3:]] == [COVERAGE] * 5


def test_a_quarter_more_than_wanted_is_taken_in_all_however_small_the_slots() -> None:
    many = [row(n, f"label {n % 20:02}") for n in range(100)]
    wanted = {COVERAGE: {Slot(f"label {n:02}", None): 1 for n in range(20)}}
    found, lacking = choose(many, wanted, signals(many), fill=True)
    assert (len(found), with_spare(20), lacking) == (25, 25, {})
    assert len({one.row.guess for one in found}) == 20


def test_answers_that_are_no_labels_have_no_say_in_what_stands_in() -> None:
    rows = [row(n, "", target=f"answer {n:02}") for n in range(12)]
    wanted = {"p": {Slot(None, None, contrast=True): 2}}
    given = signals(rows, unsure=[n / 12 for n in range(12)])
    found, _ = choose(rows, wanted, given, fill=True, labelled=False)
    assert [one.row.id for one in found] == ["r11", "r10", "r9"]
    assert {one.slot for one in found} == {Slot(None, None)}


def test_rows_of_the_other_side_are_left_to_writers() -> None:
    wanted = {"p": {Slot(None, None): 2, Slot(None, None, contrast=True): 4}}
    found, lacking = choose(ROWS, wanted, signals(), fill=False)
    assert [one.slot for one in found] == [Slot(None, None)] * 3
    assert lacking == {"p": {Slot(None, None, contrast=True): 4}}


def test_no_row_is_taken_twice() -> None:
    wanted = {"p": {Slot(None, None): 9}, "q": {Slot(None, None): 9}}
    found, _ = choose(ROWS, wanted, signals(likeness={"p": [1.0] * 12}), fill=True)
    assert sorted(one.row.id for one in found) == sorted(one.id for one in ROWS)
