"""The judge held against people: rows that it passes are looked at more often, and must not count more."""

from datetime import datetime, timedelta

import pytest

from engine.plan.building.reviews import Outcome, Reviews
from engine.stages.augment.judging.by_people import (
    PeopleSaid,
    calibration_by_people,
    enough,
    halves,
)
from engine.stages.augment.judging.calibration import fewest

AT = datetime.fromisoformat("2026-01-02T03:04:05")


def said(rp: int, rr: int, wp: int, wr: int, passes: float = 0.5) -> PeopleSaid:
    return PeopleSaid(
        right_passed=rp, right_rejected=rr, wrong_passed=wp, wrong_rejected=wr, passes=passes
    )


def test_rows_that_were_drawn_alike_count_alike() -> None:
    right, wrong = halves(said(40, 10, 10, 40)) or pytest.fail("nothing")
    assert right.share == wrong.share == pytest.approx(0.8)
    assert right.n == wrong.n == 50


def test_rows_that_it_passes_do_not_count_more_because_more_of_them_were_looked_at() -> None:
    # Of 1,000 rows it passes 500; people looked at 100 of these and 20 of the others.
    right, wrong = halves(said(80, 4, 20, 16)) or pytest.fail("nothing")
    assert right.share == pytest.approx(400 / 500)
    assert wrong.share == pytest.approx(400 / 500)
    # Unweighted it would catch 16 of 36.
    assert wrong.n < 36


def test_a_judge_that_people_find_wrong_no_longer_decides() -> None:
    good, bad = said(38, 2, 2, 38), said(20, 20, 20, 20)
    assert calibration_by_people(good, 0.7).decides
    found = calibration_by_people(bad, 0.7)
    assert not found.decides
    assert found.by_people
    assert "80 rows" in found.reason


def test_of_rows_that_it_passed_alone_nothing_follows() -> None:
    assert halves(said(40, 0, 10, 0)) is None
    assert not enough(said(40, 0, 10, 0), 0.7)


def outcome(number: int, *, right: bool, passes: bool, mark: str = "m") -> Outcome:
    return Outcome(
        example=f"e{number:03}",
        subject="candidate",
        verdict="accept" if right else "reject",
        inputs=None,
        target=None,
        places=((0, 0),),
        changes=False,
        run="r0001",
        made=AT + timedelta(seconds=number),
        reason="" if right else "wrong",
        judge=mark,
        judge_passes=passes,
        judge_share=0.5,
    )


def test_each_further_verdict_does_not_calibrate_anew() -> None:
    rows = [outcome(n, right=n % 2 == 0, passes=n % 2 == 0) for n in range(100)]
    least = fewest(0.7)
    found = {
        n: Reviews(rows[:n], "m").judged(0.7)
        for n in (least - 1, 2 * least, 4 * least - 1, 4 * least)
    }
    assert found[least - 1] is None
    assert found[4 * least - 1] == found[2 * least]
    assert found[4 * least] is not None
    assert found[4 * least] != found[2 * least]
    assert Reviews(rows, "another judge").judged(0.7) is None
