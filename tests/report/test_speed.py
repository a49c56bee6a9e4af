"""The speed of served students in reports: beside their scores, and never in the place of one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine.report.console import summary
from engine.report.facts import collect
from engine.report.html import render_html
from engine.report.markdown import render_markdown
from engine.report.tables import speed_table
from tests.report import invented
from tests.report.invented import Invented

pytestmark = pytest.mark.runs

FIGURES = {
    "time_to_first_token_ms": (31.0, 30.0, 45.0),
    "inter_token_latency_ms": (0.4, 0.35, 9.0),
    "requests_per_second": (2.26, 2.2, 3.0),
    "output_tokens_per_second": (1234.5, 1200.0, 1300.0),
    "output_tokens": (4.25, 4.0, 6.0),
}


def measured(
    store: Invented, round_: int, subject: str = "student", failed: int = 0, seed: int = 0
) -> None:
    """Add a benchmark at two concurrencies; at the second it is twice as slow."""
    node = store.node(f"{subject}/{round_}/benchmark", "benchmark", round_, seed=seed, seconds=20)
    for concurrency in (1, 8):
        for metric, figures in FIGURES.items():
            mean, p50, p95 = (n * (2 if concurrency == 8 else 1) for n in figures)
            store.add(
                "benchmark", **node, subject=subject, server="transformers serve 5.23.0", concurrency=concurrency,
                requests=20, failed=failed, metric=metric, n=20 - failed, mean=mean, p50=p50, p90=p95, p95=p95, p99=p95,
            )  # fmt: skip


@pytest.fixture
def store() -> Invented:
    return invented.full()


def test_each_student_stands_beside_its_score(store: Invented) -> None:
    measured(store, -1)
    measured(store, 2)
    report = collect(store.query, "r0001")
    table = speed_table(report)
    scores = report.scores
    assert [row[0] for row in table.rows] == ["untuned", "untuned", "round 2", "round 2"]
    cell = scores.at(scores.primary, "test", 2)
    assert cell is not None
    assert table.rows[2][1] == f"{100 * cell.value:.1f}%"
    assert table.rows[0][2:] == (
        "1", "30.0 (45.0)", "0.35 (9.0)", "2.3", "1,234", "4.2",
    )  # fmt: skip
    assert table.rows[1][2:4] == ("8", "60.0 (90.0)")
    assert "20 requests a row, answered by transformers serve 5.23.0" in table.note
    assert "failed" not in table.note


def test_an_endpoint_has_no_score_and_failures_are_told(store: Invented) -> None:
    measured(store, -1, subject="endpoint", failed=3)
    measured(store, 2)
    table = speed_table(collect(store.query, "r0001"))
    assert [row[0] for row in table.rows] == ["round 2", "round 2", "endpoint", "endpoint"]
    assert [row[1] for row in table.rows[2:]] == ["–", "–"]
    assert "6 of 80 requests failed and are in none of the numbers." in table.note


def test_what_was_not_measured_is_not_zero(store: Invented) -> None:
    node = store.node("untuned/benchmark", "benchmark", -1)
    store.add(
        "benchmark", **node, subject="student", server="s", concurrency=1, requests=20, failed=0,
        metric="request_latency_ms", n=20, mean=1.0, p50=1.0, p90=1.0, p95=1.0, p99=1.0,
    )  # fmt: skip
    (row,) = speed_table(collect(store.query, "r0001")).rows
    assert row[3:] == ("–",) * 5


def test_all_three_reports_show_it(store: Invented) -> None:
    measured(store, -1)
    report = collect(store.query, "r0001")
    console = Console(file=io.StringIO(), width=80)
    console.print(summary(report))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for text in (render_html(report), render_markdown(report), shown):
        assert "Speed when served" in text
    # Everything fits into a terminal of the usual width.
    assert "…" not in shown[shown.index("Speed when served") : shown.index("Measured by guidellm")]


def test_a_run_without_one_says_nothing_of_it(store: Invented) -> None:
    report = collect(store.query, "r0001")
    assert report.speeds == ()
    assert "Speed when served" not in render_html(report) + render_markdown(report)


def test_the_view_puts_speed_beside_the_scores_on_test(store: Invented) -> None:
    measured(store, -1)
    measured(store, 2, subject="endpoint")
    found = store.query("SELECT * FROM deployment ORDER BY subject, metric, concurrency")
    endpoint = [row for row in found if row["subject"] == "endpoint"]
    student = [row for row in found if row["metric"] == "accuracy"]
    assert [(row["metric"], row["value"]) for row in endpoint] == [(None, None)] * 2
    assert [row["concurrency"] for row in student] == [1, 8]
    score = store.value(
        "SELECT value FROM metric WHERE metric = 'accuracy' AND split = 'test' AND round = -1"
    )
    assert student[0]["value"] == score
    assert (student[0]["first_token_p50"], student[0]["first_token_p95"]) == (30.0, 45.0)
    assert student[1]["requests_per_second"] == pytest.approx(4.52)
