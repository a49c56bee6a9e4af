"""decide and track: small rules that steer the loop."""

import pytest

from engine.rows import Decision, Failure, Metric, Row
from engine.stages.decide import DecideInputs, DecideParams, decide
from engine.stages.outputs import Evaluated, Scored
from engine.stages.track import state
from tests.stages.scripted_context import ScriptedContext


def _decide(
    values: list[float],
    *,
    rounds: int,
    patience: int = 1,
    failing: int = 3,
    gain: float = 0.0,
    lower: bool = False,
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
        metric="accuracy", min_gain=gain, patience=patience, rounds=rounds, lower_is_better=lower
    )
    return decide(params, DecideInputs(tuple(evaluated)), ScriptedContext(round_=last)).decision


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


@pytest.mark.parametrize(
    ("before", "last", "after", "word"),
    [
        (5, None, 0, "fixed"),
        (5, None, 3, "shrinking"),
        (5, None, 5, "open"),
        (5, 2, 3, "regressed"),
        (5, 0, 1, "regressed"),
    ],
)
def test_words_for_patterns(before: int, last: int | None, after: int, word: str) -> None:
    assert state(before, last, after) == word
