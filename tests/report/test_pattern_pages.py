"""The report's section of each pattern, and the map of the diagnoses."""

from __future__ import annotations

from html import escape

import numpy as np
import pytest

from engine.report.charts.map import COLOURS, map_chart
from engine.report.dossier import DiagnosisPoint
from engine.report.facts import collect
from engine.report.facts.diagnosis_map import collect_points, placed
from engine.report.html import render_html
from tests.report import invented

pytestmark = pytest.mark.runs


def test_what_is_said_alike_lies_together_and_always_in_the_same_place() -> None:
    kinds = ("a date taken for a sum of money", "sarcasm read as praise", "two wishes in one line")
    texts = [f"{kind}, row {i}" for i in range(12) for kind in kinds]
    places = placed(texts)
    assert places is not None
    assert places.shape == (36, 2)
    assert np.abs(places).max() == pytest.approx(1)
    groups = [places[k::3] for k in range(3)]
    within = max(float(np.linalg.norm(g - g.mean(axis=0), axis=1).max()) for g in groups)
    centres = [g.mean(axis=0) for g in groups]
    between = min(
        float(np.linalg.norm(centres[a] - centres[b])) for a, b in ((0, 1), (0, 2), (1, 2))
    )
    assert between > 2 * within
    again = placed(texts)
    assert again is not None
    assert np.array_equal(places, again)


@pytest.mark.parametrize("texts", [[], ["one"], ["one", "two"], ["same words"] * 9, ["", "", ""]])
def test_texts_that_cannot_be_told_apart_have_no_map(texts: list[str]) -> None:
    assert placed(texts) is None


def test_words_without_letters_and_other_scripts_have_places() -> None:
    places = placed(["!!!", "日付を金額と取り違えた", "дата принята за сумму", "plain words"])
    assert places is not None
    assert np.isfinite(places).all()


def test_the_map_names_its_groups_and_hover_text_is_only_text() -> None:
    bad = "</title><script>alert(1)</script>"
    points = [
        DiagnosisPoint(i / 20, -i / 20, 0, 0, f"kind {i % (COLOURS + 2)}" if i < 18 else "", bad, "b & c")
        for i in range(20)
    ]  # fmt: skip
    chart = map_chart(points, 340)
    assert chart.count("<g><title>") == 20
    assert "<script>" not in chart
    assert escape(f"kind 0\n{bad}\nb & c\nseed 0, round 0") in chart
    assert "other patterns (2)" in chart
    assert "in no pattern (2)" in chart
    assert {f"dot c{n}" in chart for n in range(1, COLOURS + 1)} == {True}


def test_the_page_has_a_section_for_each_pattern_and_every_diagnosis_on_the_map() -> None:
    store = invented.full(rounds=1)
    report = collect(store.query, "r0001")
    page = render_html(report)
    assert len(report.points) == store.value("SELECT count(*) FROM diagnosis") == 39
    assert {point.pattern for point in report.points} == {name for name, _, _ in invented.PATTERNS}
    for pattern in report.patterns:
        assert page.count(f'id="pattern-{pattern.seed}-{pattern.id}"') == 1
    assert page.count("<caption>Its life</caption>") == len(report.patterns) == 5
    assert page.count("<caption>Its price</caption>") == 5
    assert len(collect_points(store.query, "r0001", 7)) == 7
