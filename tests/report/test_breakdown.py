"""Slices, labels, the confusion matrix, and what was not scored, from rows to tables."""

from __future__ import annotations

from typing import Any

import pytest

from engine.report.facts import collect
from engine.report.html import render_html
from engine.report.markdown import render_markdown
from engine.report.records import Report
from engine.report.tables import label_table, matrix_table, score_table, slice_tables
from tests.report.invented import HOSTILE, Invented

ANSWERS = [("a", "a"), ("a", "b"), ("b", "b"), ("b", None)]


def _store(metrics: list[Any], primary: str, rounds: tuple[int, ...] = (0, 1)) -> Invented:
    store = Invented()
    store.recipe(metrics=metrics, slices=["lang"], loop={"stop": {"metric": primary}})
    store.run()
    load = store.node("load", "load", -1)
    for i, (target, _) in enumerate(ANSWERS):
        store.add(
            "example", **load, id=f"e{i}", split="test", inputs={"text": "t"}, target=target,
            columns={}, source="f", line=i + 1,
        )  # fmt: skip
    for round_ in rounds:
        predict = store.node(f"predict.{round_}", "predict", round_)
        score = store.node(f"score.{round_}", "score", round_)
        for i, (_, answer) in enumerate(ANSWERS):
            store.add(
                "prediction", **predict, example=f"e{i}", split="test", text=answer or "?", answer=answer,
                status="ok" if answer else "unparsable", confidence=0.5, how="generation",
            )  # fmt: skip
        for name, value in {"macro_f1": 0.5 + 0.1 * round_, "perplexity": 9.0 - 4 * round_}.items():
            interval = {"low": value - 0.01, "high": value + 0.01}
            store.add("metric", **score, split="test", metric=name, value=value, n=4, **interval)
            for i in range(4):
                store.add("score", **score, example=f"e{i}", split="test", metric=name, value=value)
        store.add("metric", **score, split="test", metric="bleu", value=0.8, n=4, low=0.5, high=0.9)
        store.add(
            "metric", **score, split="train", metric="bleu", value=None, n=0, low=None, high=None
        )
        for part, share in {"en": 0.25, HOSTILE: None}.items():
            store.add(
                "metric_slice", **score, split="test", slice="lang", part=part, metric="macro_f1",
                value=share, n=3, low=0.1, high=0.4,
            )  # fmt: skip
            store.add(
                "metric_slice", **score, split="test", slice="lang", part=part, metric="bleu",
                value=12.5, n=3, low=10.0, high=15.0,
            )  # fmt: skip
        for kind, share in {"precision": None, "recall": 0.5}.items():
            store.add(
                "metric_slice", **score, split="test", slice="intent", part="a", metric=kind,
                value=share, n=2, low=0.0, high=1.0,
            )  # fmt: skip
    return store


METRICS = ["macro_f1", {"name": "bleu", "params": {"tokenize": "char"}}, "perplexity"]


@pytest.fixture(scope="module")
def report() -> Report:
    return collect(_store(METRICS, "macro_f1").query, "r0001")


def test_percentages_are_what_the_metric_says_not_what_the_values_look_like(report: Report) -> None:
    assert report.scores.percent == {"macro_f1"}
    assert "0.800 (0.500 to 0.900)" in score_table(report, "bleu").rows[0]


def test_what_was_not_scored_says_so(report: Report) -> None:
    (row, _) = score_table(report, "bleu").rows
    assert row == ("round 0", "not scored", "–", "0.800 (0.500 to 0.900)")


def test_a_slice_has_a_table_with_the_primary_metric_before_and_after(report: Report) -> None:
    (table,) = slice_tables(report)
    assert [c.title for c in table.columns] == [
        "lang", "n", "macro_f1, round 0", "macro_f1, round 1", "bleu, round 1", "perplexity, round 1", "change",
    ]  # fmt: skip
    assert table.rows[0] == (
        "en", "3", "25.0% (10.0 to 40.0)", "25.0% (10.0 to 40.0)", "12.500 (10.000 to 15.000)", "not scored", "+0.0",
    )  # fmt: skip
    assert table.rows[1][:3] == (HOSTILE, "3", "not scored")


def test_labels_and_the_confusion_matrix_have_their_tables(report: Report) -> None:
    labels = label_table(report)
    assert labels is not None
    assert labels.rows == (("a", "50.0% (0.0 to 100.0)", "2"),)
    assert report.matrix is not None
    matrix = matrix_table(report.matrix)
    assert [c.title for c in matrix.columns] == ["right answer", "a", "b", "(unreadable)"]
    assert matrix.rows == (("a", "1", "1", "0"), ("b", "0", "1", "1"))


def test_pages_show_them_and_a_value_brings_no_markup(report: Report) -> None:
    for page in (render_html(report), render_markdown(report)):
        assert "Test by lang" in page
        assert "Labels on test, round 1" in page
        assert "Confusion matrix on test, round 1" in page
        assert "<script>alert" not in page


def test_less_is_better_where_it_is_and_what_is_no_mean_is_not_paired() -> None:
    found = collect(_store(METRICS, "perplexity").query, "r0001")
    assert found.headline.tone == "unclear"
    assert found.headline.sentence == (
        "Round 1 is 4.000 of perplexity below round 0 on test (the intervals of the two rounds do not overlap):"
        " too few test rows to say (20 needed)."
    )
    assert "Lower is better." in score_table(found, "perplexity").note


def test_the_confusion_view_counts_every_pair() -> None:
    rows = _store(METRICS, "macro_f1").query(
        "SELECT target, answer, n FROM all_confusion WHERE run = ? AND round = 1 ORDER BY ALL",
        ["r0001"],
    )
    assert [tuple(r.values()) for r in rows] == [
        ("a", "a", 1), ("a", "b", 1), ("b", "b", 1), ("b", None, 1),
    ]  # fmt: skip


def test_of_many_parts_only_changes_beyond_chance_are_marked() -> None:
    store = _store(METRICS, "macro_f1")
    # Both before the first row: what asks lays out all rows that wait.
    nodes = [store.value("SELECT id FROM node WHERE name = ?", f"score.{i}") for i in (0, 1)]
    for i in range(19):
        for round_ in (0, 1):
            score = {"node": nodes[round_]}
            value = 0.5 + (0.3 if i == 0 else 0.06 if i == 1 else 0.0) * round_
            store.add(
                "metric_slice", **score, run="r0001", seed=0, round=round_, split="test", slice="lang",
                part=f"l{i}", metric="macro_f1", value=value, n=50, low=value - 0.04, high=value + 0.04,
            )  # fmt: skip
    (table,) = slice_tables(collect(store.query, "r0001"))
    changes = {row[0]: row[-1] for row in table.rows}
    # Alone, a change of 6 points would be beyond chance (p = 0.04): one of twenty is, by chance.
    assert (changes["l0"], changes["l1"], changes["l2"]) == ("+30.0*", "+6.0", "+0.0")
