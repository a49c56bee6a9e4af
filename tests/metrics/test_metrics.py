"""Every metric against itself, the bootstrap against what theory says."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from engine.metrics import METRICS, Answered, Metric, Scored
from engine.metrics.bootstrap import DRAWS, Estimate, Interval, blocks, estimate, totals

LABELS = ["a", "b", "c", "d"]


def scored(metric: Metric, items: list[Answered], **params: object) -> Scored:
    """Return the items that the metric scores, with their values."""
    chosen = metric.params.model_validate(params)
    pairs = [(item, metric.score(item, chosen)) for item in items]
    return Scored(
        [item for item, value in pairs if value is not None], [v for _, v in pairs if v is not None]
    )


def whole(name: str, items: list[Answered], **params: object) -> float | None:
    """Return a metric's value over all items; None where it has none."""
    metric = METRICS[name]
    chosen = metric.params.model_validate(params)
    found = estimate(metric, scored(metric, items, **params), chosen, 0)
    return None if found is None else found.value


def one_label(n: int, seed: int) -> list[Answered]:
    rng = np.random.default_rng(seed)
    references = [LABELS[i] for i in rng.integers(0, 4, n)]
    answers = [g if rng.random() < 0.7 else LABELS[rng.integers(0, 4)] for g in references]
    return [Answered(a, (g,), a) for g, a in zip(references, answers, strict=True)]


def _accuracy(n: int, seed: int) -> Estimate:
    metric = METRICS["accuracy"]
    found = estimate(metric, scored(metric, one_label(n, seed)), metric.params(), 0)
    assert found is not None
    return found


def _width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


SHORT = ("a", "b b b", "the", "A")
LISTS = ('["a", "b"]', "[]", '["b"]', '["c", "a"]')


@pytest.mark.parametrize(
    ("name", "references"),
    [
        *((name, SHORT) for name in ("accuracy", "macro_f1", "exact_match", "token_f1", "rouge1", "chrf")),
        *((name, LISTS) for name in ("accuracy", "micro_f1", "weighted_f1", "balanced_accuracy")),
    ],
)  # fmt: skip
def test_a_reference_against_itself_is_the_best_also_for_short_answers_and_lists(
    name: str, references: tuple[str, ...]
) -> None:
    items = [Answered(g, (g, "another"), g) for g in references]
    best = METRICS[name].best
    assert scored(METRICS[name], items).values == pytest.approx([best] * 4)
    assert whole(name, items) == pytest.approx(best)


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_nothing_to_score_and_nothing_scored_are_no_zero(metric: Metric) -> None:
    assert estimate(metric, Scored([], []), metric.params(), 0) is None


def test_an_unreadable_answer_is_wrong_and_no_label_of_its_own() -> None:
    items = [Answered("a", ("a",), "a"), Answered(None, ("a",), "?")]
    assert whole("accuracy", items) == 0.5
    assert whole("exact_match", items) == 0.5
    # Precision 1, recall 0.5; a label called nothing would halve it.
    assert whole("macro_f1", items) == pytest.approx(2 / 3)


def test_any_acceptable_answer_is_right() -> None:
    items = [Answered("b", ("a", "b"), "b"), Answered("c", ("a", "b"), "c")]
    assert whole("accuracy", items) == 0.5
    assert whole("macro_recall", items) == pytest.approx(1 / 3)  # b hit, a missed, c invented


def test_interval_of_a_mean_is_near_the_normal_one_and_reproducible() -> None:
    one = _accuracy(400, 1)
    assert one.draws.shape == (DRAWS,)
    value, low, high = one.interval()
    half = 1.96 * np.sqrt(value * (1 - value) / 400)
    assert low == pytest.approx(value - half, abs=0.01)
    assert high == pytest.approx(value + half, abs=0.01)
    assert _accuracy(400, 1).interval() == (value, low, high)


def test_the_gap_of_two_splits_of_one_size_does_not_hang_on_the_order_of_their_rows() -> None:
    train = _accuracy(400, 1)
    gap = train.minus(train).interval()
    assert _width(gap) == pytest.approx(math.sqrt(2) * _width(train.interval()), rel=0.15)


def test_gap_interval_is_wider_than_either_split() -> None:
    train, test = _accuracy(100, 2), _accuracy(80, 3)
    gap = train.minus(test)
    assert gap.value == pytest.approx(train.value - test.value)
    assert gap.n == 80
    assert _width(gap.interval()) > max(_width(one.interval()) for one in (train, test))


def test_draws_without_a_value_are_left_out_of_the_interval() -> None:
    draws = np.array([0.2, np.nan, 0.4] * 50)
    assert Estimate(0.3, draws, 9).interval() == (0.3, 0.2, 0.4)
    assert Estimate(0.3, np.array([np.nan]), 9).interval() == (0.3, None, None)


def test_blocks_are_the_draws_that_one_array_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = np.random.default_rng([7, 30]).integers(0, 30, size=(DRAWS, 30), dtype=np.int64)
    monkeypatch.setattr("engine.metrics.bootstrap._AT_ONCE", 2000)
    found = list(blocks(30, 7))
    assert len(found) > 10
    assert np.array_equal(np.concatenate(found), at_once)
    tally = np.arange(60.0).reshape(30, 2)
    assert np.array_equal(totals(tally, at_once), tally[at_once].sum(axis=1))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("accuracy", {"tolerance": 1}),
        ("numeric_match", {"tolerance": -1.0}),
        ("numeric_match", {"tolerance": math.inf}),
        ("bleu", {"tokenize": "flores200"}),
        ("calibration_error", {"bins": 0}),
    ],
)
def test_parameters_are_checked(name: str, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        METRICS[name].params.model_validate(wrong)
