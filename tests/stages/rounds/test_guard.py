"""guard: what a round breaks of what was right, beside what the control breaks; what is chance is no regression."""

import random
from collections.abc import Sequence, Set

import pytest

from engine.errors import InternalError
from engine.rows import (
    Drop,
    Example,
    Failure,
    Pattern,
    PatternRow,
    PatternStatus,
    Regression,
    Row,
    Score,
)
from engine.run.execute import check_accounts
from engine.stages.outputs import Guarded, Loaded, NamedPatterns, Scored, Tracked
from engine.stages.rounds.guard import GUARD, GuardInputs, GuardParams
from tests.stages.scripted_context import ScriptedContext
from tests.stages.small_task import adds_up

ROWS = tuple(Example(f"e{i}", "validation", {"text": str(i)}, "x", {}, "f", i) for i in range(200))
FIRST = set(range(80))
"""Rows that round 0 fails at; the suite is the other 120."""


def scored(failing: Set[int], drops: Sequence[Drop] = ()) -> Scored:
    return Scored(
        (*(Failure(f"e{i}", "validation", "y", "x", "p") for i in sorted(failing)), *drops)
    )


def run(
    now: Set[int],
    control: Set[int] | None,
    statuses: Sequence[PatternStatus | PatternRow] = (),
    rows: Sequence[Example] = ROWS,
    drops: Sequence[Drop] = (),
) -> Guarded:
    names = NamedPatterns(
        tuple(
            Pattern(p, f"Name of {p}", "", None, 9, (1.0,), None, None, None) for p in ("p1", "p2")
        )
    )
    inputs = GuardInputs(
        Loaded(tuple(rows)),
        scored(now, drops),
        scored(FIRST),
        None if control is None else scored(control),
        Tracked(tuple(statuses)),
        (names,),
    )
    output = GUARD.run(GuardParams(), inputs, ScriptedContext(round_=1))
    adds_up(GUARD, GuardParams(), inputs, output)
    return output


def test_what_breaks_beyond_the_control_is_a_regression() -> None:
    output = run(set(range(60, 110)), set(range(60, 85)))
    suite = output.suite
    assert (suite.n, suite.broken, suite.control_broken) == (120, 30, 5)
    assert (suite.steady, suite.steady_broken) == (115, 25)
    assert suite.difference == pytest.approx(25 / 120)
    assert suite.low is not None
    assert suite.low > 0
    assert suite.regressed
    assert suite.detail.startswith(
        "of 120 rows that round 0 had right, 30 are wrong, 5 with the control (95% interval of the difference +"
    )
    rows = output.of(Regression)
    assert {row.example for row in rows if row.fails} == {f"e{i}" for i in range(80, 110)}
    assert {row.example for row in rows if row.control_fails} == {f"e{i}" for i in range(80, 85)}


def test_a_lost_row_that_broke_is_an_error() -> None:
    output = run(set(range(60, 110)), set(range(60, 85)))
    lost = next(row for row in output.of(Regression) if row.fails)
    kept = Guarded(tuple(row for row in output.rows if row is not lost))
    inputs = GuardInputs(Loaded(ROWS), scored(FIRST), scored(FIRST), None, Tracked(), ())
    with pytest.raises(InternalError, match=r"^guard: 30 rows that broke came in"):
        check_accounts("guard", GUARD.accounts(GuardParams(), inputs, kept))


def test_as_much_as_the_control_breaks_is_none() -> None:
    suite = run(set(range(80, 110)), set(range(105, 135))).suite
    assert (suite.broken, suite.control_broken, suite.regressed) == (30, 30, False)


def test_answers_at_random_are_hardly_ever_a_regression() -> None:
    said = 0
    for seed in range(200):
        draw = random.Random(seed)
        now, control = ({i for i in range(200) if draw.random() < 0.4} for _ in range(2))
        said += run(now, control).suite.regressed
    assert said <= 10, "one in forty: the test has two sides"


def test_a_row_that_breaks_says_the_pattern_it_falls_under() -> None:
    under = [
        PatternRow(pattern, row, "other", 0.5, failed=False, fails=True, control_fails=False)
        for pattern, row in (("p2", "e90"), ("p1", "e90"), ("p2", "e91"), ("p2", "e5"))
    ]
    broken = run({90, 91, 92}, None, under).of(Regression)
    assert {row.example: row.pattern for row in broken} == {"e90": "p1", "e91": "p2", "e92": None}


def test_a_round_that_mends_three_patterns_and_breaks_one_says_so() -> None:
    statuses = [
        PatternStatus("a", "mended", 9, 0, life="fixed"),
        PatternStatus("b", "mended", 9, 2, life="shrinking"),
        PatternStatus("c", "mended", 9, 0, life="fixed"),
        PatternStatus("d", "unclear", 9, 5, life="open"),
        PatternStatus("p1", "worse", 9, 9, life="regressed"),
    ]
    suite = run(set(), set(), statuses).suite
    assert suite.regressed
    assert suite.patterns == ("p1",)
    assert suite.detail.startswith(
        "patterns mended: 3, broken: 1 ('Name of p1'); of 120 rows that round 0 had right, 0 are wrong"
    )


def test_without_a_control_what_breaks_is_counted_and_nothing_is_said_of_it() -> None:
    suite = run(set(range(60, 120)), None).suite
    assert (suite.n, suite.broken, suite.control_broken, suite.regressed) == (120, 40, None, False)
    assert suite.detail == "of 120 rows that round 0 had right, 40 are wrong"


def test_of_few_rows_nothing_is_said() -> None:
    suite = run(set(range(80, 99)), set(), rows=ROWS[:99]).suite
    assert (suite.n, suite.broken, suite.p, suite.regressed) == (19, 19, None, False)


def test_a_row_that_a_student_could_not_be_asked_is_in_no_suite() -> None:
    lost = [Drop("score", "e90", "unscored", "")]
    assert run(set(), set(), drops=lost).suite.n == 119


def test_a_logged_row_that_a_student_could_not_be_asked_is_neither_mended_nor_right() -> None:
    def of_log(failing: Set[int], *lost: int) -> Scored:
        answered = [i for i in range(10) if i not in lost]
        scores = [Score(f"l{i}", "logged", "accuracy", float(i not in failing)) for i in answered]
        failures = [Failure(f"l{i}", "logged", "y", "x", "p") for i in answered if i in failing]
        return Scored((*scores, *failures, *(Drop("score", f"l{i}", "unscored", "") for i in lost)))

    first, now, control = of_log({0, 1, 2, 3}), of_log({0, 1}, 2, 9), of_log({4}, 3, 4)
    inputs = GuardInputs(Loaded(ROWS), now, first, control)
    suite = GUARD.run(GuardParams(), inputs, ScriptedContext(round_=1)).suite
    assert (suite.logged, suite.logged_broken, suite.logged_control_broken) == (4, 0, 0)
    assert "of 2 logged rows that round 0 had wrong, 0 are right, and of 4 that" in suite.detail


def test_logged_rows_are_counted_beside_the_suite_and_decide_nothing() -> None:
    def logged(failing: Set[int]) -> list[Row]:
        scores = [Score(f"l{i}", "logged", "accuracy", float(i not in failing)) for i in range(60)]
        return [*scores, *(Failure(f"l{i}", "logged", "y", "x", "p") for i in sorted(failing))]

    def all_of(failing: Set[int]) -> Scored:
        return Scored((*scored(FIRST).rows, *logged(failing)))

    inputs = GuardInputs(
        Loaded(ROWS), all_of(set(range(10, 60))), all_of(set(range(20))), all_of(set(range(22)))
    )
    suite = GUARD.run(GuardParams(), inputs, ScriptedContext(round_=1)).suite
    assert (suite.logged, suite.logged_broken, suite.logged_control_broken) == (40, 40, 2)
    assert (suite.n, suite.broken, suite.regressed) == (120, 0, False)
    assert suite.detail.endswith(
        "of 20 logged rows that round 0 had wrong, 10 are right, and of 40 that it had right, 40 are wrong, 2 with"
        " the control"
    )
    assert run(FIRST, None).suite.logged is None
