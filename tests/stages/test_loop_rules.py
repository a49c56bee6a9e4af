"""decide: the rules by which the loop goes on, and a round counts as a gain."""

import random
from collections.abc import Sequence
from typing import Literal

from engine.rows import Decision, Example, Failure, Metric, RegressionSuite, Row, Score
from engine.stages.division import selection_part
from engine.stages.outputs import Evaluated, Guarded, GuardedRound, Loaded, Scored
from engine.stages.rounds.decide import DecideInputs, DecideParams, decide
from tests.stages.scripted_context import ScriptedContext


def _decide(
    values: list[float],
    *,
    rounds: int,
    patience: int = 1,
    failing: int = 3,
    gain: float | None = 0.0,
    lower: bool = False,
    broke: Sequence[int] = (),
    rule: Literal["accept", "warn", "roll_back"] = "warn",
    warned: list[str] | None = None,
) -> Decision:
    last = len(values) - 1
    evaluated = []
    for r, value in enumerate(values):
        rows: list[Row] = [
            Metric("validation", "accuracy", value, 10, value, value),
            # Test must never steer: it says the opposite.
            Metric("test", "accuracy", 1 - value, 10, 0, 1),
        ]
        if r == last:
            rows += [Failure(f"e{i}", "validation", "a", "b", "p") for i in range(failing)]
            rows += [Failure("t", "train", "a", "b", "p")]
        evaluated.append(Evaluated(r, Scored(tuple(rows))))
    params = DecideParams(
        metric="accuracy", min_gain=gain, patience=patience, rounds=rounds, lower_is_better=lower,
        regressions=rule,
    )  # fmt: skip
    guarded = tuple(
        GuardedRound(r, Guarded((suite(regressed=r in broke),))) for r in range(1, len(values))
    )
    ctx = _Context(round_=last)
    decision = decide(params, DecideInputs(Loaded(), tuple(evaluated), guarded), ctx).decision
    assert ctx.said == (warned or [])
    return decision


class _Context(ScriptedContext):
    """Keeps what is warned of."""

    def __init__(self, round_: int) -> None:
        super().__init__(round_=round_)
        self.said: list[str] = []

    def warn(self, text: str) -> None:
        self.said.append(text)


def suite(*, regressed: bool) -> RegressionSuite:
    return RegressionSuite(80, 12, 5, 75, 9, 0.09, 0.01, 0.2, 0.02, (), regressed, "12 are wrong")


def test_a_round_that_breaks_what_was_right_is_warned_of_and_may_be_the_best() -> None:
    warned = ["round 1 breaks what was right: 12 are wrong"]
    one = _decide([0.5, 0.6], rounds=2, broke=[1], warned=warned)
    assert (one.go_on, one.best_round) == (True, 1)
    assert one.reason == "3 failures on validation; regression: 12 are wrong"
    quiet = _decide([0.5, 0.6], rounds=2, broke=[1], rule="accept")
    assert (quiet.best_round, quiet.reason) == (1, "3 failures on validation")
    # An earlier round's is not said again.
    later = _decide([0.5, 0.6, 0.7], rounds=3, broke=[1])
    assert "regression" not in later.reason


def test_a_round_that_is_rolled_back_is_no_gain_whatever_its_score_and_the_next_goes_on() -> None:
    one = _decide([0.5, 0.6, 0.9], rounds=9, broke=[2], rule="roll_back")
    assert (one.go_on, one.best_round, one.rolled_back) == (True, 1, True)
    assert one.reason == (
        "regression, rolled back to round 1: 12 are wrong; the next round goes on from there"
    )
    # What follows is held against the best, and what was rolled back is no round without a gain.
    later = _decide([0.5, 0.6, 0.9, 0.7], rounds=9, broke=[2], rule="roll_back")
    assert (later.go_on, later.best_round, later.rolled_back) == (True, 3, False)
    alike = _decide([0.5, 0.6, 0.9, 0.6], rounds=9, patience=2, broke=[2], rule="roll_back")
    assert (alike.go_on, alike.best_round) == (True, 1)
    assert not _decide([0.5, 0.6, 0.9, 0.6], rounds=9, broke=[2], rule="roll_back").go_on


def test_two_rounds_in_a_row_that_are_rolled_back_end_the_loop_and_so_does_the_last() -> None:
    two = _decide([0.5, 0.6, 0.9, 0.9], rounds=9, patience=9, broke=[2, 3], rule="roll_back")
    assert (two.go_on, two.best_round, two.rolled_back) == (False, 1, True)
    assert two.reason.endswith("; the second round in a row")
    last = _decide([0.5, 0.6, 0.9], rounds=2, patience=9, broke=[2], rule="roll_back")
    assert (last.go_on, last.rolled_back) == (False, True)
    apart = _decide([0.5, 0.4, 0.6, 0.9], rounds=9, patience=9, broke=[1, 3], rule="roll_back")
    assert (apart.go_on, apart.best_round) == (True, 2)


def test_goes_on_while_it_gains() -> None:
    assert _decide([0.5], rounds=2).go_on
    assert _decide([0.5, 0.6], rounds=2).go_on


def test_stops_after_patience_and_remembers_the_best_round() -> None:
    stopped = _decide([0.5, 0.6, 0.55], rounds=9)
    assert not stopped.go_on
    assert stopped.best_round == 1
    assert _decide([0.5, 0.6, 0.55], rounds=9, patience=2).go_on
    assert not _decide([0.5, 0.52], rounds=9, gain=0.05).go_on


def test_a_metric_of_which_less_is_better_gains_by_falling() -> None:
    assert _decide([9.0, 7.0], rounds=9, lower=True).best_round == 1
    stopped = _decide([9.0, 7.0, 8.0], rounds=9, lower=True)
    assert (stopped.go_on, stopped.best_round) == (False, 1)
    assert not _decide([9.0, 8.9], rounds=9, lower=True, gain=0.5).go_on


def test_stops_without_failures_and_after_the_last_round() -> None:
    assert _decide([1.0], rounds=3, failing=0).reason == "no failures found on validation"
    assert not _decide([0.5, 0.6], rounds=1).go_on


def _scored(right: list[bool], selected: float | None = None) -> Scored:
    """Return the scores of validation rows, of which some are right."""
    share = sum(right) / len(right)
    rows: list[Row] = [
        Score(f"e{i}", "validation", "accuracy", float(good)) for i, good in enumerate(right)
    ]
    rows.append(Metric("validation", "accuracy", share, len(right), share - 0.1, share + 0.1))
    rows += [
        Failure(f"e{i}", "validation", "a", "b", "p") for i, good in enumerate(right) if not good
    ]
    if selected is not None:
        rows.append(Metric("validation_selection", "accuracy", selected, 9, None, None))
    return Scored(tuple(rows))


NO_ROWS = Loaded()


def _chosen(*rounds: Scored, load: Loaded = NO_ROWS, mean: bool = True) -> Decision:
    params = DecideParams(metric="accuracy", patience=1, rounds=9, is_mean=mean)
    evaluated = tuple(Evaluated(number, scored) for number, scored in enumerate(rounds))
    return decide(
        params, DecideInputs(load, evaluated), ScriptedContext(round_=len(rounds) - 1)
    ).decision


def test_a_gain_is_more_than_one_standard_error_of_the_paired_difference() -> None:
    first = [False] * 30 + [True] * 70
    # Six mended, three broken of a hundred: a difference of 3 points with a standard error of 2.99.
    some = [True] * 6 + [False] * 24 + [False] * 3 + [True] * 67
    assert _chosen(_scored(first), _scored(some)).best_round == 1
    # Seven mended, four broken: 3 points again, of 3.32.
    noisy = [True] * 7 + [False] * 23 + [False] * 4 + [True] * 66
    decision = _chosen(_scored(first), _scored(noisy))
    assert decision.best_round == 0
    assert decision.reason == (
        "no gain of more than one standard error in accuracy on validation for 1 round(s)"
    )


def test_what_is_no_mean_of_examples_must_gain_by_its_own_standard_error() -> None:
    first, later = [False] * 30 + [True] * 70, [False] * 26 + [True] * 74
    assert _chosen(_scored(first), _scored(later)).best_round == 1
    # The interval is 10 points to either side: a standard error of 5.1.
    assert _chosen(_scored(first), _scored(later), mean=False).best_round == 0
    assert _chosen(_scored(first), _scored([False] * 20 + [True] * 80), mean=False).best_round == 1


def test_of_divided_validation_only_the_part_counts_that_was_not_analysed() -> None:
    load = Loaded(
        tuple(
            Example(f"e{i}", "validation", {"text": f"t{i}"}, "b", {}, "f", i) for i in range(300)
        )
    )
    part = selection_part(load, "auto")
    assert len(part) == 150
    assert part == selection_part(Loaded(load.rows[::-1]), "auto")
    assert not selection_part(Loaded(load.rows[1:]), "auto")
    assert not selection_part(load, False)
    assert selection_part(Loaded(load.rows[:9]), True)
    draw = random.Random(0)
    first = [draw.random() < 0.5 for _ in range(300)]
    # Every row of the analysed part is mended, and none of the other.
    later = [good or f"e{i}" not in part for i, good in enumerate(first)]
    assert _chosen(_scored(first, 0.5), _scored(later, 0.5), load=load).best_round == 0
    assert _chosen(_scored(first, 0.5), _scored(later, 0.5)).best_round == 1
