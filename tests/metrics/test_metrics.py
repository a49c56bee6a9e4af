"""Metrics against scikit-learn, and the bootstrap against what theory says."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from engine.metrics import METRICS, Metric, Scored
from engine.metrics.bootstrap import DRAWS, Estimate, Interval, estimate


def _width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


LABELS = ["a", "b", "c", "d"]


def _split(n: int, seed: int) -> Scored:
    rng = np.random.default_rng(seed)
    golds = [LABELS[i] for i in rng.integers(0, 4, n)]
    answers = [g if rng.random() < 0.7 else LABELS[rng.integers(0, 4)] for g in golds]
    return Scored(golds, answers, [float(g == a) for g, a in zip(golds, answers, strict=True)])


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_gold_against_gold_scores_one(metric: Metric) -> None:
    golds = ["a", "b", "b", "c"]
    values = [metric.score(g, g) for g in golds]
    assert values == [1.0] * 4
    split = Scored(golds, golds, [1.0] * 4)
    assert estimate(metric.statistic, split, 0).interval() == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_scikit_learn_on_every_draw(seed: int) -> None:
    split = _split(60, seed)
    draws = np.random.default_rng(seed).integers(0, 60, size=(20, 60))
    accuracy = METRICS["accuracy"].statistic(split, draws)
    macro = METRICS["macro_f1"].statistic(split, draws)
    for draw, one, two in zip(draws, accuracy, macro, strict=True):
        golds = [split.golds[i] for i in draw]
        answers = [split.answers[i] for i in draw]
        assert one == pytest.approx(accuracy_score(golds, answers))
        assert two == pytest.approx(f1_score(golds, answers, average="macro"))


def test_an_unreadable_answer_is_wrong_and_no_label_of_its_own_is_invented() -> None:
    assert METRICS["accuracy"].score(None, "a") == 0.0
    split = Scored(["a", "a"], ["a", None], [1.0, 0.0])
    assert estimate(METRICS["accuracy"].statistic, split, 0).value == 0.5


def test_interval_of_a_mean_is_near_the_normal_one_and_reproducible() -> None:
    split = _split(400, 1)
    one = estimate(METRICS["accuracy"].statistic, split, 0)
    assert one.draws.shape == (DRAWS,)
    value, low, high = one.interval()
    half = 1.96 * np.sqrt(value * (1 - value) / 400)
    assert low == pytest.approx(value - half, abs=0.01)
    assert high == pytest.approx(value + half, abs=0.01)
    assert estimate(METRICS["accuracy"].statistic, split, 0).interval() == (value, low, high)


def test_gap_interval_is_wider_than_either_split() -> None:
    train = estimate(METRICS["accuracy"].statistic, _split(100, 2), 0)
    test = estimate(METRICS["accuracy"].statistic, _split(100, 3), 0)
    gap = train.minus(test)
    assert gap.value == pytest.approx(train.value - test.value)
    widths = [_width(one.interval()) for one in (train, test)]
    assert _width(gap) > max(widths)


def test_nothing_to_score_is_an_error_not_zero() -> None:
    with pytest.raises(ValueError, match="no examples"):
        estimate(METRICS["accuracy"].statistic, Scored([], [], []), 0)


def test_draws_without_a_value_are_left_out_of_the_interval() -> None:
    draws = np.array([0.2, np.nan, 0.4] * 50)
    value, low, high = Estimate(0.3, draws).interval()
    assert (value, low, high) == (0.3, 0.2, 0.4)
    assert Estimate(0.3, np.array([np.nan])).interval() == (0.3, None, None)
