"""What may be said of arms: a difference counts only beyond seeds, rows and the number of comparisons."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.comparison.measured import Measured
from engine.comparison.results import Difference, Remedy, _settled
from engine.comparison.sentences import headline, sentences
from engine.comparison.tables import curve_table
from engine.errors import EngineError
from engine.metrics import METRICS, Answered
from engine.report.formatting import NONE
from tests.comparison.invented import LOWER, compared, measured, right


def students(share: float, first: int, count: int = 3) -> list[dict[str, float]]:
    return [right(share, first + seed) for seed in range(count)]


VANILLA = measured("vanilla", students(0.60, 0))


def against(*arms: object) -> list[Difference]:
    comparison = compared(VANILLA, *arms)  # type: ignore[arg-type]
    return [arm.against for arm in comparison.arms if arm.against is not None]


def test_a_clear_gain_over_all_seeds_beats_the_baseline_and_a_clear_loss_falls_behind() -> None:
    comparison = compared(
        VANILLA, measured("pada", students(0.75, 10)), measured("auggpt", students(0.45, 20))
    )
    (base, pada, auggpt) = comparison.arms
    assert base.against is None
    assert pada.against is not None
    assert pada.against.word == "better"
    assert pada.against.low > 0
    assert pada.against.value == pytest.approx(0.15, abs=0.01)
    assert pada.against.p_adjusted == pytest.approx(2 * pada.against.p)
    assert auggpt.against is not None
    assert auggpt.against.word == "worse"
    assert headline(comparison).text == (
        "pada beats vanilla; auggpt falls behind it on test (accuracy, 3 seeds, 200 test rows)."
    )
    said = [one.text for one in sentences(comparison)]
    assert said[0].startswith("pada beats vanilla by 15.0 points of accuracy (95% interval +")
    assert said[1].startswith("auggpt falls behind vanilla by ")


def test_an_interval_that_holds_zero_is_no_win_and_seeds_that_would_settle_it_are_named() -> None:
    # Seeds that disagree by more than the arms do.
    uneven = measured("pada", [right(share, 30 + i) for i, share in enumerate((0.72, 0.60, 0.66))])
    (found,) = against(uneven)
    assert found.value == pytest.approx(0.06, abs=0.01)
    assert found.low < 0 < found.high
    assert found.word == "unclear"
    assert found.seeds_needed is not None
    assert found.seeds_needed > 3
    comparison = compared(VANILLA, uneven)
    (said,) = sentences(comparison)
    assert "the interval holds zero, so it is no win and no loss" in said.text
    assert f"about {found.seeds_needed} seeds would settle it" in said.text
    assert headline(comparison).text.startswith("No arm differs beyond chance from vanilla")


def test_where_rows_are_too_few_no_number_of_seeds_helps() -> None:
    few = [right(0.6, seed, rows=20) for seed in range(3)]
    more = [right(0.65, seed + 5, rows=20) for seed in range(3)]
    comparison = compared(measured("vanilla", few), measured("pada", more))
    (said,) = sentences(comparison)
    assert "no number of seeds settles it with 20 test rows: more rows would" in said.text


def test_of_one_seed_no_difference_counts() -> None:
    comparison = compared(
        measured("vanilla", students(0.5, 0, 1)), measured("pada", students(0.8, 10, 1))
    )
    (_, pada) = comparison.arms
    assert pada.against is not None
    assert pada.against.word == "one seed"
    assert pada.against.low > 0
    assert "run more seeds" in sentences(comparison)[0].text


def test_a_p_value_that_only_one_comparison_would_bear_is_no_win_among_many() -> None:
    # The same 14 rows better for every seed, 4 worse: p is about 0.03 by itself.
    base = right(0.6, 1)
    wrong = [e for e, value in base.items() if not value]
    good = [e for e, value in base.items() if value]
    better = base | dict.fromkeys(wrong[:14], 1.0) | dict.fromkeys(good[:4], 0.0)
    vanilla, pada = measured("vanilla", [base] * 3), measured("pada", [better] * 3)
    (alone,) = (arm.against for arm in compared(vanilla, pada).arms if arm.against)
    assert alone.word == "better"
    others = [measured(f"other{i}", [base] * 3) for i in range(2)]
    many = compared(vanilla, pada, *others)
    (among, *_) = (arm.against for arm in many.arms if arm.against)
    assert among.low > 0
    assert among.p == alone.p
    assert among.p_adjusted == pytest.approx(3 * alone.p)
    assert among.word == "unclear"
    said = sentences(many)[0].text
    assert "the permutation test, corrected for 3 comparisons, is above 0.05" in said


def test_where_lower_is_better_less_is_more() -> None:
    high = [{e: 2.0 + v for e, v in right(0.6, s).items()} for s in range(3)]
    low = [{e: 1.0 + v for e, v in right(0.6, s).items()} for s in range(3)]
    comparison = compared(
        measured("vanilla", high, metric=LOWER), measured("pada", low, metric=LOWER)
    )
    assert comparison.lower_is_better
    found = comparison.arms[1].against
    assert found is not None
    assert found.word == "better"
    assert found.value == pytest.approx(-1.0)


def test_an_arm_is_held_against_the_baseline_at_its_own_budget() -> None:
    comparison = compared(
        measured("vanilla", students(0.6, 0), budget=50),
        measured("vanilla", students(0.7, 5), budget=100),
        measured("pada", students(0.7, 5), budget=50),
        measured("pada", students(0.7, 5), budget=100),
    )
    found = [arm.against for arm in comparison.arms]
    assert found[:2] == [None, None]
    assert found[2] is not None
    assert found[2].value == pytest.approx(0.1, abs=0.01)
    assert found[3] is not None
    assert found[3].value == 0.0
    assert sentences(comparison)[1].text.startswith("pada, 100 rows is level with vanilla (")


def test_a_baseline_without_a_budget_is_held_against_at_each() -> None:
    found = compared(
        measured("vanilla", [right(0.5, 1), right(0.5, 2)]),
        *(measured("pada", [right(0.7, n), right(0.7, n + 1)], budget=n) for n in (50, 100)),
    )
    assert [arm.against is not None for arm in found.arms] == [False, True, True]
    curve = curve_table(found)
    assert curve is not None
    assert curve.rows[0][1] == curve.rows[0][2] != NONE


def test_all_right_is_not_certain() -> None:
    perfect = [dict.fromkeys(right(0.5, 0, 60), 1.0)] * 2
    (arm, _) = compared(measured("vanilla", perfect), measured("pada", perfect)).arms
    assert (arm.value, arm.high) == (1.0, 1.0)
    assert arm.low == pytest.approx(0.94, abs=0.001)


def test_test_rows_that_not_all_were_scored_on_are_left_out_and_none_at_all_is_an_error() -> None:
    short = [dict(list(of.items())[:120]) for of in students(0.7, 10)]
    comparison = compared(VANILLA, measured("pada", short))
    assert comparison.n == 120
    assert comparison.notes == (
        "80 of 200 test rows are left out, which not all students were scored on",
    )
    with pytest.raises(EngineError, match="no test row that all students were scored on"):
        compared(VANILLA, measured("pada", [{"other": 1.0}] * 3))


def test_seeds_whose_loop_ended_early_are_named() -> None:
    three = measured("pada", students(0.7, 10), rounds=3)
    early = measured("random", students(0.7, 10), rounds=1)
    early.ran.arm.project.loaded.recipe.loop.rounds = 3  # type: ignore[misc]
    comparison = compared(VANILLA, three, early)
    assert comparison.notes == (
        "random of 3 rounds: seed 0 after round 1, seed 1 after round 1, seed 2 after round 1",
    )


def labelled(rows: dict[str, float]) -> dict[str, tuple[Answered, float]]:
    """Return answers, each right or wrong as `rows` say, of rows with two labels in turn."""
    answers = {}
    for place, (row, value) in enumerate(rows.items()):
        target = "ab"[place % 2]
        said = target if value else "ba"[place % 2]
        answers[row] = (Answered(said, (target,), said), value)
    return answers


def by_macro_f1(name: str, students: list[dict[str, float]]) -> Measured:
    return measured(
        name,
        students,
        metric="macro_f1",
        answers={seed: labelled(rows) for seed, rows in enumerate(students)},
        params=METRICS["macro_f1"].params(),
    )


def test_four_rows_of_200_that_only_change_one_way_are_no_win_whatever_the_metric() -> None:
    base = right(0.6, 1)
    better = base | dict.fromkeys([e for e, value in base.items() if not value][:4], 1.0)
    for arms in (
        (measured("vanilla", [base] * 2), measured("pada", [better] * 2)),
        (by_macro_f1("vanilla", [base] * 2), by_macro_f1("pada", [better] * 2)),
    ):
        (found,) = (arm.against for arm in compared(*arms).arms if arm.against)
        assert found.value == pytest.approx(0.02, abs=0.002)
        assert found.word == "unclear"
        assert found.low < 0 < found.high
        # Exact: 2 of 16 ways in which four rows may differ.
        assert found.p == pytest.approx(0.125, abs=0.02)


def test_a_gain_of_macro_f1_beyond_chance_counts() -> None:
    arms = (by_macro_f1("vanilla", students(0.6, 0)), by_macro_f1("pada", students(0.75, 10)))
    (found,) = (arm.against for arm in compared(*arms).arms if arm.against)
    assert found.word == "better"
    assert found.p < 0.001


def unclear(**changes: Any) -> Difference:
    """Return a difference of three seeds that passes the test over rows, and whose interval holds zero."""
    found = Difference(
        0.03, -0.01, 0.07, (0.06, 0.00, 0.03), 0.01, 0.01, "unclear", of_examples=1e-5
    )
    return _settled(replace(found, **changes))


def test_seeds_are_offered_only_where_they_would_settle_it() -> None:
    assert (unclear().remedy, unclear().seeds_needed) == ("seeds", 7)
    # The test over rows is the same however many seeds there are.
    assert (unclear(p_adjusted=0.06).remedy, unclear(p_adjusted=0.06).seeds_needed) == (
        "rows",
        None,
    )
    assert unclear(of_examples=1e-3).remedy == "rows"
    assert unclear(seeds=(0.031, 0.029, 0.03)).remedy == "more seeds"
    assert unclear(seeds=(1.0, -0.94, 0.03)).remedy == "too many seeds"
    assert unclear(word="better").remedy is None
    assert unclear(value=0.0).remedy is None


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        ("seeds", "about 5 seeds would settle it"),
        ("more seeds", "more seeds may settle it"),
        ("too many seeds", "not even 100 seeds would settle it"),
        ("rows", "no number of seeds settles it with 200 test rows"),
    ],
)
def test_what_would_settle_it_is_said(remedy: Remedy, said: str) -> None:
    comparison = compared(VANILLA, measured("pada", students(0.61, 3)))
    base, arm = comparison.arms
    found = unclear(remedy=remedy)
    told = replace(arm, against=replace(found, remedy=remedy, seeds_needed=5))
    (sentence,) = sentences(replace(comparison, arms=(base, told)))
    assert said in sentence.text
