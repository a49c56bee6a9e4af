"""Students against each other: all seeds count, seeds are drawn too, and one seed is no good news."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from engine.report.console import summary
from engine.report.evidence import Suite
from engine.report.facts import collect
from engine.report.facts.comparison import compare
from engine.report.formatting import points, value
from engine.report.html import render_html, tiles
from engine.report.markdown import escaped, render_markdown
from engine.report.tables import (
    choice_table,
    held_out_sentence,
    kept_sentence,
    matrix_table,
    movement_table,
    pattern_table,
    regression_sentence,
    score_table,
    switched_off_sentence,
)
from tests.report import invented
from tests.report.invented import Invented

pytestmark = pytest.mark.runs

RECIPE: dict[str, Any] = {}


@pytest.fixture(scope="module")
def three() -> Invented:
    return invented.full((0, 1, 2), 1, control=True)


def choose(store: Invented, seed: int, round_: int) -> None:
    store.db.execute(
        "UPDATE decision SET best_round = ? WHERE seed = ? AND metric = 'accuracy'", [round_, seed]
    )


def shifted(store: Invented, seed: int, wrong_before: int) -> None:
    """Make a seed's round 1 right everywhere on test, and its round 0 but for so many rows."""
    store.db.execute("UPDATE score SET value = 1 WHERE split = 'test' AND seed = ?", [seed])
    store.db.execute(
        "UPDATE score SET value = 0 WHERE split = 'test' AND round = 0 AND seed = ? AND metric = 'accuracy'"
        " AND example IN (SELECT example FROM score WHERE split = 'test' AND round = 0 AND seed = ?"
        " ORDER BY example LIMIT ?)",
        [seed, seed, wrong_before],
    )


def test_equal_students_are_called_equal(three: Invented) -> None:
    scores = collect(three.query, "r0001").scores
    same = compare(three.query, "r0001", RECIPE, scores, {0: (1, 1), 1: (1, 1)})
    assert same is not None
    # No row of 200 changed: as many may change as that leaves open.
    assert (same.difference, same.overlap) == (0, True)
    assert same.low == pytest.approx(-0.0183, abs=1e-4)
    assert same.high == pytest.approx(0.0183, abs=1e-4)


def test_every_seed_counts_with_what_was_chosen_for_it() -> None:
    store = invented.full((0, 1, 2), 1)
    for seed, wrong in enumerate((40, 44, 36)):
        shifted(store, seed, wrong)
    report = collect(store.query, "r0001")
    assert report.headline.tone == "good"
    assert report.headline.sentence.startswith(
        "Round 1 beats round 0 on test by 20.0 points of accuracy (95% interval over 3 seeds and the rows"
    )
    assert (
        "; by seed +20.0, +22.0, +18.0): more than chance among seeds" in report.headline.sentence
    )
    choose(store, 2, 0)
    report = collect(store.query, "r0001")
    found = report.headline.comparison
    assert found is not None
    assert (found.after, found.seeds) == ((1, 1, 0), (0.2, 0.22, 0.0))
    assert found.difference == pytest.approx(0.14)
    # Now the seeds differ so much that another one may bring nothing.
    assert found.low is not None
    assert found.low < 0
    assert report.headline.tone == "unclear"
    assert report.headline.sentence.startswith("The chosen students are 14.0 points")


def test_a_seed_whose_loop_ended_early_is_not_left_out() -> None:
    store = invented.full((0, 1), 1)
    for seed in (0, 1):
        shifted(store, seed, 40)
    for table in ("score", "metric", "prediction"):
        store.db.execute(f"DELETE FROM {table} WHERE seed = 1 AND round = 1")
    choose(store, 1, 0)
    found = collect(store.query, "r0001").headline.comparison
    assert found is not None
    assert found.seeds == (0.2, 0.0)


def test_one_seed_is_never_good_news_and_may_be_bad_news() -> None:
    store = invented.full((0,), 1)
    shifted(store, 0, 60)
    headline = collect(store.query, "r0001").headline
    assert headline.tone == "unclear"
    assert "more than chance among these test rows, but of one seed" in headline.sentence
    store.db.execute("UPDATE score SET value = 1 - value WHERE split = 'test' AND round IN (0, 1)")
    assert collect(store.query, "r0001").headline.tone == "bad"


def test_where_round_0_is_kept_the_last_round_is_shown_and_nothing_claimed() -> None:
    store = invented.full((0, 1), 1)
    for seed in (0, 1):
        shifted(store, seed, 40)
        choose(store, seed, 0)
    headline = collect(store.query, "r0001").headline
    assert headline.tone == "unclear"
    assert headline.sentence.startswith(
        "Round 0 is kept: no later round beats it on validation by what the stop rule asks."
        " Round 1 is 20.0 points of accuracy above it on test (95% interval over 2 seeds and the rows"
    )


def test_what_is_shown_first_is_the_student_that_is_kept_and_not_the_last() -> None:
    store = invented.full((0,), 2)
    for column in ("accuracy", "macro_f1"):
        for round_, share in ((-1, 0.2), (0, 0.8), (2, 0.7)):
            store.db.execute(
                "UPDATE metric SET value = ? WHERE split = 'test' AND metric = ? AND round = ?",
                [share, column, round_],
            )
    choose(store, 0, 0)
    store.db.execute("UPDATE prediction SET answer = 'refund' WHERE round > 0 AND split = 'test'")
    report = collect(store.query, "r0001")
    first, gap, failures = tiles(report)[:3]
    assert first[:2] == ("accuracy on test, untuned → round 0", "20.0 → 80.0%")
    assert first[2].startswith("round 2 was tried last and not kept: 70.0% (")
    assert gap[2] == ""
    assert failures[1:] == (str(sum(m.failures for m in report.movements if m.round == 0)), "")
    assert report.matrix is not None
    assert report.matrix.rounds == (0,)
    assert {answer for _, answer in report.matrix.counts} != {"refund"}
    said = "accuracy on test: 20.0% → 80.0% (untuned → round 0); round 2 was tried last and not kept: 70.0%."
    assert kept_sentence(report) == said
    assert escaped(said) in render_markdown(report)
    shown = Console(width=300, file=io.StringIO(), record=True)
    shown.print(summary(report))
    assert said in shown.export_text()
    page = render_html(report)
    assert "Confusion matrix on test, round 0" in page
    assert "20.0 → 80.0%" in page


def test_seeds_of_which_each_keeps_another_round_are_shown_together() -> None:
    store = invented.full((0, 1), 1)
    choose(store, 0, 0)
    choose(store, 1, 1)
    report = collect(store.query, "r0001")
    first, last = (report.scores.at("accuracy", "test", seed, seed) for seed in (0, 1))
    assert first is not None
    assert last is not None
    label, figure, small = tiles(report)[0]
    assert label == "accuracy on test, untuned → the chosen students, 2 seeds"
    assert figure.endswith(f"→ {50 * (first.value + last.value):.1f}%")
    assert small == ""
    assert report.matrix is not None
    assert report.matrix.rounds == (0, 1)
    assert matrix_table(report.matrix).caption == "Confusion matrix on test, the chosen students"


def test_what_is_no_mean_of_examples_is_drawn_with_the_same_examples_for_both() -> None:
    store = invented.full((0, 1), 1)
    effective = store.value("SELECT effective FROM recipe").replace(
        '"metric": "accuracy"', '"metric": "macro_f1"'
    )
    store.db.execute("UPDATE recipe SET effective = ?", [effective])
    store.db.execute(
        "INSERT INTO score SELECT * REPLACE ('macro_f1' AS metric) FROM score WHERE metric = 'accuracy'"
    )
    report = collect(store.query, "r0001")
    found = report.headline.comparison
    assert report.scores.primary == "macro_f1"
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.difference <= found.high
    # Paired: narrower than two independent students of 200 rows could be told apart.
    cells = [report.scores.at("macro_f1", "test", round_, 0) for round_ in (0, 1)]
    apart = sum((cell.high or 0) - (cell.low or 0) for cell in cells if cell)
    assert found.high - found.low < apart


def test_the_control_stands_beside_the_rounds_and_is_none_of_them(three: Invented) -> None:
    report = collect(three.query, "r0001")
    assert report.scores.rounds == (-1, 0, 1)
    assert [row[0] for row in score_table(report, "accuracy").rows][-1] == "control, mean"
    table = choice_table(report)
    assert table is not None
    assert [c.title for c in table.columns] == [
        "seed", "round", "chosen", "round 0", "difference", "control", "difference to control",
    ]  # fmt: skip
    assert [row[0] for row in table.rows] == ["0", "1", "2", "mean"]
    assert report.against_control is not None
    assert report.against_control.before == -2
    assert [row[0] for row in movement_table(report).rows[:3]] == ["round 0", "round 1", "control"]
    assert "Chosen students, accuracy on test" in render_markdown(report)


def test_patterns_show_an_effect_where_there_is_one_and_a_dash_elsewhere(three: Invented) -> None:
    table = pattern_table(collect(three.query, "r0001"))
    titles = [c.title for c in table.columns]
    shown = {
        (row[titles.index("effect (points)")], row[titles.index("status")]) for row in table.rows
    }
    assert shown == {("+12.0 (3.0 to 20.0)", "shrinking"), ("–", "unclear")}


def test_what_broke_of_what_was_right_is_summed_over_the_seeds_and_none_is_hidden() -> None:
    store = invented.full(control=True)
    report = collect(store.query, "r0001")
    assert regression_sentence(report) == ""

    def suite(seed: int, *, broken: int = 9, regressed: bool = False) -> Suite:
        detail = f"of 80 rows that round 0 had right, {broken} are wrong, 8 with the control"
        return Suite(seed, 2, 80, broken, 8, regressed, detail)

    one = replace(report, suites=(suite(0),))
    assert (
        regression_sentence(one) == f"No regression beyond chance after round 2: {suite(0).detail}."
    )
    bad = suite(1, broken=30, regressed=True)
    assert regression_sentence(replace(report, suites=(bad,))).startswith(
        "Regression after round 2: "
    )
    both = regression_sentence(replace(report, suites=(suite(0), bad)))
    assert both == (
        "Of 160 rows that round 0 had right, over all seeds, 39 are wrong after round 2, 16 with the control."
        f" Regression with seed 1 ({bad.detail})."
    )


def hold_out(store: Invented, seeds: tuple[int, ...], n: int) -> None:
    """Add a draw that holds out `n` rows, of which the student mends all, and the control half."""
    for seed in seeds:
        draw = store.node("draw.0", "draw", 0, seed=seed)
        held_out = [invented.ident("validation", i) for i in range(n)]
        store.db.execute(
            "DELETE FROM failure WHERE seed = ? AND split = 'validation' AND example IN (SELECT unnest(?))"
            " AND (round = 1 OR round = -2)",
            [seed, held_out],
        )
        for i, example in enumerate(held_out):
            store.add(
                "drawn_failure", **draw, example=example, answer="a", target="b", predicate="p", part="held_out",
            )  # fmt: skip
            if i % 2:
                control = {"node": invented.ident("node", "score.-2", seed), "run": "r0001"}
                store.add(
                    "failure", **control, seed=seed, round=-2, split="validation", example=example,
                    answer="a", target="b", predicate="p",
                )  # fmt: skip


def test_failures_that_nobody_looked_at_are_counted_beside_the_control() -> None:
    store = invented.full((0,), 1, control=True)
    assert held_out_sentence(collect(store.query, "r0001")) == ""
    hold_out(store, (0,), 24)
    report = collect(store.query, "r0001")
    assert held_out_sentence(report) == (
        "Of 24 failures that nobody diagnosed, 24 are right after round 1, and 12 with the control"
        " (95% interval of the difference +23.5 to +50.0 points)."
    )
    assert "Of 24 failures that nobody diagnosed" in render_markdown(report)


def test_under_twenty_held_out_failures_nothing_is_said_of_them() -> None:
    store = invented.full((0,), 1, control=True)
    hold_out(store, (0,), 19)
    assert held_out_sentence(collect(store.query, "r0001")) == ""


def test_one_line_says_what_was_switched_off_for_want_of_rows() -> None:
    store = invented.full((0,), 1)
    draw = store.node("draw.0", "draw", 0)
    for i in range(41):
        store.add(
            "drawn_failure", **draw, example=invented.ident("validation", i), answer="a", target="b",
            predicate="p", part="diagnose",
        )  # fmt: skip
    assert switched_off_sentence(collect(store.query, "r0001")) == (
        "Switched off for want of rows: validation is not divided (150 rows, 300 needed); no failures are held out"
        " (41 failures, 67 needed); no number for 4 of 5 patterns (under 20 rows each)."
        " Off in the recipe: the control, so no pattern gets a number."
    )


def test_the_untuned_student_is_one_for_all_seeds(three: Invented) -> None:
    report = collect(three.query, "r0001")
    rows = {row[0]: row[1:] for row in score_table(report, "accuracy").rows}
    assert [name for name in rows if name.startswith("untuned")] == ["untuned"]
    assert "–" not in rows["untuned"]
    scores = report.scores
    assert scores.at("accuracy", "test", -1, 2) == scores.at("accuracy", "test", -1)


def test_every_seed_s_plain_fine_tune_is_compared_with_the_untuned_student() -> None:
    report = collect(invented.full((0, 1, 2), 0).query, "r0001")
    found = report.headline.comparison
    assert found is not None
    assert (found.before, found.after, len(found.seeds)) == (-1, (0, 0, 0), 3)


def test_a_difference_reads_the_same_wherever_it_stands() -> None:
    # 37 of 400 rows: 0.0925, but 0.0925000...3 as a difference of two shares.
    assert points(366 / 400 - 329 / 400, True) == points(37 / 400, True) == "9.2 points"


def test_the_mean_over_seeds_stands_below_them(three: Invented) -> None:
    report = collect(three.query, "r0001")
    table = choice_table(report)
    assert table is not None
    mean = sum(choice.value or 0 for choice in report.choices) / 3
    assert table.rows[-1][:3] == ("mean", "–", value(mean, True))


def only(store: Invented, n: int) -> list[str]:
    """Leave so many test rows, and return them."""
    kept = [
        row["example"]
        for row in store.query(
            "SELECT DISTINCT example FROM score WHERE split = 'test' ORDER BY example LIMIT ?", [n]
        )
    ]
    for table in ("score", "prediction"):
        store.db.execute(
            f"DELETE FROM {table} WHERE split = 'test' AND example NOT IN (SELECT unnest(?))",
            [kept],
        )
    return kept


def test_one_test_row_is_no_evidence() -> None:
    store = invented.full((0, 1, 2), 1)
    only(store, 1)
    for seed in (0, 1, 2):
        shifted(store, seed, 1)
    headline = collect(store.query, "r0001").headline
    found = headline.comparison
    assert found is not None
    assert (found.n, found.difference, found.overlap) == (1, 1.0, True)
    assert found.low is not None
    assert found.low < 0
    assert headline.tone == "unclear"
    assert "more than chance" not in headline.sentence
    assert "too few test rows to say (20 needed)" in headline.sentence


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_four_rows_of_200_that_change_one_way_are_within_chance(metric: str) -> None:
    store = invented.full((0,), 1)
    shifted(store, 0, 4)
    if metric == "macro_f1":
        effective = store.value("SELECT effective FROM recipe").replace(
            '"metric": "accuracy"', '"metric": "macro_f1"'
        )
        store.db.execute("UPDATE recipe SET effective = ?", [effective])
        store.db.execute(
            "INSERT INTO score SELECT * REPLACE ('macro_f1' AS metric) FROM score WHERE metric = 'accuracy'"
        )
        # The answers behind the scores: all right in round 1, and all but four in round 0.
        store.db.execute(
            "UPDATE prediction SET answer = CASE WHEN s.value = 1 THEN e.target ELSE 'refund and more' END"
            " FROM score s, example e WHERE prediction.split = 'test' AND s.split = 'test' AND e.split = 'test'"
            " AND s.example = prediction.example AND e.id = prediction.example AND s.round = prediction.round"
            " AND s.metric = 'accuracy'"
        )
    headline = collect(store.query, "r0001").headline
    found = headline.comparison
    assert found is not None
    assert (found.better, found.worse) == (4, 0)
    assert found.low is not None
    assert found.low < 0 < found.difference
    assert "so it may be noise" in headline.sentence


def test_twenty_rows_of_one_seed_never_say_that_a_student_beats_another() -> None:
    store = invented.full((0,), 1)
    only(store, 20)
    shifted(store, 0, 6)
    headline = collect(store.query, "r0001").headline
    assert headline.comparison is not None
    assert headline.comparison.difference == pytest.approx(0.3)
    assert headline.tone == "unclear"
    assert "beats" not in headline.sentence
    assert "of one seed" in headline.sentence


def test_seeds_that_pull_in_different_directions_say_nothing() -> None:
    store = invented.full((0, 1, 2), 1)
    for seed, wrong in enumerate((60, 0, 20)):
        shifted(store, seed, wrong)
    # Seed 1 falls by 5 points instead.
    store.db.execute(
        "UPDATE score SET value = 0 WHERE split = 'test' AND seed = 1 AND round = 1 AND metric = 'accuracy'"
        " AND example IN (SELECT example FROM score WHERE split = 'test' AND seed = 1 AND round = 1"
        " ORDER BY example LIMIT 10)"
    )
    headline = collect(store.query, "r0001").headline
    found = headline.comparison
    assert found is not None
    assert found.seeds == pytest.approx((0.3, -0.05, 0.1))
    assert found.low is not None
    assert found.high is not None
    assert found.low < -0.05
    assert found.high > 0.3
    assert headline.tone == "unclear"
    assert "by seed +30.0, -5.0, +10.0" in headline.sentence


def test_the_untuned_student_stands_beside_the_claim() -> None:
    store = invented.full((0,), 1)
    shifted(store, 0, 60)
    sentence = collect(store.query, "r0001").headline.sentence
    untuned = store.value(
        "SELECT value FROM metric WHERE round = -1 AND split = 'test' AND metric = 'accuracy'"
    )
    assert sentence.endswith(f" The untuned student has {100 * untuned:.1f}%.")
