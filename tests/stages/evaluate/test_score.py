"""score: what counts into a number, what is not scored, which parts are reported, what fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pytest

from engine.metrics import METRICS
from engine.rows import (
    Drop,
    Example,
    Failure,
    Metric,
    MetricSlice,
    Prediction,
    Rating,
    Score,
    Split,
)
from engine.stages.division import selection_part
from engine.stages.evaluate.measure import LABELS, PARTS, Cut, SqlMetric, UsedMetric
from engine.stages.evaluate.score import ScoreInputs, ScoreParams, score
from engine.stages.evaluate.slice import SliceInputs, SliceParams, slices
from engine.stages.outputs import Loaded, Predicted, Rated, Scored, Sliced
from engine.statistics import wilson
from tests.stages.scripted_context import ScriptedContext

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def params(
    *metrics: str, sql: Sequence[SqlMetric] = (), rated: Sequence[str] = (), failure: str = ""
) -> ScoreParams:
    default = "accuracy < 1" if "accuracy" in metrics else "prediction is null"
    return ScoreParams(
        target="label",
        metrics=tuple(
            UsedMetric(name=m, version=METRICS[m].version, settings=METRICS[m].params())
            for m in metrics
        ),
        sql_metrics=tuple(sql),
        judge_metrics=tuple(rated),
        failure=failure or default,
    )


def rows(
    told: Sequence[tuple[str, str | None]], split: Split = "test", **columns: list[Any]
) -> tuple[list[Example], list[Prediction]]:
    """Return examples and predictions for (target, answer); the answer `!` could not be asked for."""
    examples, predictions = [], []
    for i, (target, answer) in enumerate(told):
        own = {name: values[i] for name, values in columns.items()}
        examples.append(Example(f"{split}{i}", split, {"text": f"t{i}"}, target, own, "f", i + 1))
        said = None if answer == "!" else answer
        status: Literal["ok", "unparsable", "backend_failed"] = "ok"
        if said is None:
            status = "backend_failed" if answer == "!" else "unparsable"
        predictions.append(
            Prediction(f"{split}{i}", split, said or "", said, status, 0.5, "scripted")
        )
    return examples, predictions


Answered = tuple[list[Example], list[Prediction]]


def run(
    measured: ScoreParams, *splits: Answered, ratings: Sequence[Rating] | None = None
) -> Scored:
    load, predict = joined(splits)
    rated = None if ratings is None else Rated(tuple(ratings))
    return score(measured, ScoreInputs(load, predict, rated), ScriptedContext())


def cut(measured: ScoreParams, cuts: Sequence[Cut], *splits: Answered) -> Sliced:
    """Score answers, then report them by parts."""
    load, predict = joined(splits)
    inputs = SliceInputs(load, predict, run(measured, *splits))
    chosen = SliceParams(
        target=measured.target,
        metrics=measured.metrics,
        sql_metrics=measured.sql_metrics,
        slices=tuple(cuts),
    )
    return slices(chosen, inputs, ScriptedContext())


def joined(splits: Sequence[Answered]) -> tuple[Loaded, Predicted]:
    load = Loaded(tuple(row for examples, _ in splits for row in examples))
    return load, Predicted(tuple(row for _, predictions in splits for row in predictions))


def metric(found: Scored, name: str, split: str = "test") -> Metric:
    (row,) = [m for m in found.of(Metric) if (m.metric, m.split) == (name, split)]
    return row


def test_n_counts_what_was_scored_and_what_could_not_be_asked_is_dropped() -> None:
    told = [("3", "3"), ("4", "5"), ("5", None), ("6", "!"), ("no number", "7")]
    found = run(params("accuracy", "numeric_match"), rows(told))
    assert (metric(found, "accuracy").value, metric(found, "accuracy").n) == (0.25, 4)
    one = metric(found, "numeric_match")
    assert one.value == pytest.approx(1 / 3)
    assert one.n == 3
    assert [d.item for d in found.of(Drop)] == ["test3"]
    values = {s.example: s.value for s in found.of(Score) if s.metric == "numeric_match"}
    assert values == {"test0": 1.0, "test1": 0.0, "test2": 0.0, "test4": None}


def test_what_cannot_be_computed_is_a_row_without_a_value() -> None:
    found = run(
        params("accuracy", "perplexity", sql=[SqlMetric(name="own", sql="avg(perplexity)")]),
        rows([("a", "a")]),
    )
    for name in ("perplexity", "own"):
        assert metric(found, name) == Metric("test", name, None, 0, None, None)
    assert metric(found, "accuracy", "train") == Metric("train", "accuracy", None, 0, None, None)
    assert not [m for m in found.of(Metric) if m.split.startswith("gap_")]


def test_the_gap_is_train_minus_the_others_over_the_smaller_of_the_two() -> None:
    found = run(
        params("accuracy"),
        rows([("a", "a")] * 1 + [("b", "b"), ("c", "a")], "train"),
        rows([("a", "b"), ("b", "b")], "validation"),
    )
    gap = metric(found, "accuracy", "gap_validation")
    assert gap.value == pytest.approx(2 / 3 - 1 / 2)
    assert gap.n == 2
    assert gap.low is not None
    assert gap.low < 1 / 6


def test_failures_follow_the_predicate_over_scores_columns_and_prediction_but_never_on_test() -> (
    None
):
    told = [("a b", "a b"), ("a b", "a"), ("a b", "c d"), ("a b", ""), ("a b", None)]
    given = params("token_f1", failure="token_f1 < 0.7 and length(prediction) > 0 and mark <> 'x'")
    splits = [rows(told, split, mark=["y", "y", "y", "y", "y"]) for split in SPLITS]
    failures = run(given, *splits).of(Failure)
    assert [(f.split, f.example) for f in failures] == [
        ("train", "train1"), ("train", "train2"), ("validation", "validation1"), ("validation", "validation2"),
    ]  # fmt: skip
    assert {f.predicate for f in failures} == {given.failure}


def test_slices_part_every_metric_by_a_column_or_an_expression() -> None:
    told = [("a", "a"), ("a", "b"), ("b", "b"), ("b", "a"), ("b", None)]
    cuts = [Cut(name="lang", sql='"lang"'), Cut(name="first", sql="target = 'a'")]
    given = params("accuracy", "perplexity", sql=[SqlMetric(name="all", sql="count(*)")])
    found = cut(given, cuts, rows(told, lang=["en", "en", "de", "de", None])).slices
    values: dict[tuple[str, str, str], Any]
    values = {(m.slice, m.part, m.metric): (m.value, m.n) for m in found}
    assert values["lang", "en", "accuracy"] == (0.5, 2)
    assert values["lang", "(none)", "accuracy"] == (0.0, 1)
    assert values["lang", "de", "all"] == (2.0, 2)
    assert values["lang", "de", "perplexity"] == (None, 0)
    assert values["first", "true", "accuracy"] == (0.5, 2)
    assert values["first", "false", "accuracy"] == (pytest.approx(1 / 3), 3)
    english = next(m for m in found if m.part == "en" and m.metric == "accuracy")
    assert (english.low, english.high) == wilson(1, 2)[1:]


def test_values_beyond_the_most_frequent_are_one_part_and_the_splits_have_the_same_ones() -> None:
    many = [f"v{i:02}" for i in range(PARTS + 5)]
    cuts = [Cut(name="v", sql="v")]
    train = rows([("a", "a")] * len(many), "train", v=many)
    # On test only the last ones occur: with train together they are the most frequent.
    test = rows([("a", "b")] * 10, "test", v=many[-5:] * 2)
    found = cut(params("accuracy"), cuts, train, test).slices
    parts = {split: [m.part for m in found if m.split == split] for split in ("train", "test")}
    assert parts["train"] == [*many[: PARTS - 5], *many[-5:], "(other)"]
    assert parts["test"] == many[-5:]
    assert [m.n for m in found if m.part == "(other)"] == [5]


def test_labels_have_their_precision_and_recall_with_intervals() -> None:
    told = [("a", "a"), ("a", "b"), ("b", "b"), ("c", "b")]
    given = params("macro_precision", "macro_recall")
    found = run(given, rows(told)).of(MetricSlice)
    values = {(m.metric, m.part): (m.value, m.n) for m in found}
    assert {m.slice for m in found} == {"label"}
    assert values == {
        ("precision", "a"): (1.0, 1), ("precision", "b"): (pytest.approx(1 / 3), 3), ("precision", "c"): (None, 0),
        ("recall", "a"): (0.5, 2), ("recall", "b"): (1.0, 1), ("recall", "c"): (0.0, 1),
    }  # fmt: skip
    recall = next(m for m in found if (m.metric, m.part) == ("recall", "a"))
    assert (recall.low, recall.high) == wilson(1, 2)[1:]


def test_of_very_many_labels_the_most_frequent_are_kept() -> None:
    told = [(f"l{i:03}", f"l{i:03}") for i in range(LABELS + 20)] + [("l219", "l219")]
    found = run(params("macro_recall"), rows(told)).of(MetricSlice)
    assert len(found) == LABELS
    assert found[-1].part == "l219"


def test_ratings_are_scores_and_a_missing_one_is_no_zero() -> None:
    told = [("a", "a"), ("a", "b"), ("a", "c")]
    ratings = [
        Rating("test0", "test", "tone", 5, "", "call1"),
        Rating("test1", "test", "tone", 2, "", "call2"),
        Rating("test2", "test", "tone", None, "no rating: length", "call3"),
    ]
    given = params("accuracy", rated=["tone"], failure="tone < 3")
    found = run(given, rows(told), ratings=ratings)
    assert (metric(found, "tone").value, metric(found, "tone").n) == (3.5, 2)
    values = {s.example: s.value for s in found.of(Score) if s.metric == "tone"}
    assert values == {"test0": 5.0, "test1": 2.0, "test2": None}


def test_the_part_of_validation_that_stops_and_chooses_is_measured_for_itself() -> None:
    told = [("a", "a" if i % 3 else "b") for i in range(299)] + [("a", "!")]
    examples, predictions = rows(told, "validation")
    scored = run(params("accuracy", "macro_f1"), (examples, predictions))
    part = selection_part(Loaded(tuple(examples)), "auto")
    right = [p.answer == "a" for p in predictions if p.example in part and p.answer is not None]
    found = {m.metric: m for m in scored.metrics if m.split == "validation_selection"}
    assert found.keys() == {"accuracy", "macro_f1"}
    assert found["accuracy"].n == len(right) in (149, 150)
    assert found["accuracy"].value == pytest.approx(sum(right) / len(right))
    few = run(params("accuracy"), (examples[1:], predictions[1:]))
    assert not [m for m in few.metrics if m.split == "validation_selection"]
    whole = ScoreParams(**{**vars(params("accuracy")), "divide": False})
    undivided = run(whole, (examples, predictions))
    assert not [m for m in undivided.metrics if m.split == "validation_selection"]


def test_shares_of_right_answers_have_wilsons_interval_and_other_metrics_their_draws() -> None:
    told = [("a", "a")] * 30 + [("b", "b")] * 30
    scored = run(params("accuracy", "macro_f1", "macro_recall"), rows(told))
    found = {m.metric: m for m in scored.metrics if m.split == "test"}
    assert found["accuracy"].low == pytest.approx(0.9398, abs=1e-4)
    assert found["accuracy"].high == 1.0
    assert (found["macro_f1"].low, found["macro_f1"].high) == (1.0, 1.0)
    labels = {s.part: s for s in scored.of(MetricSlice) if s.metric == "recall"}
    assert labels["a"].low == pytest.approx(0.8865, abs=1e-4)
