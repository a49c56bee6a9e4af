"""The report's section of each pattern, and the map of the diagnoses."""

from __future__ import annotations

from html import escape

import pytest

from engine.report.charts.map import COLOURS, map_chart
from engine.report.dossier import DiagnosisPoint
from engine.report.facts import collect
from engine.report.facts.diagnosis_map import collect_points
from engine.report.html import render_html
from tests.report import invented

pytestmark = pytest.mark.runs


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
    points = collect_points(store.query, "r0001")
    assert max(abs(point.x) for point in points) == max(abs(point.y) for point in points) == 1
    # As the clustering placed them, each axis stretched by one factor.
    placed = store.query("SELECT x FROM diagnosis_place ORDER BY diagnosis")
    assert (
        len({round(point.x / row["x"], 9) for point, row in zip(points, placed, strict=True)}) == 1
    )
    assert len(collect_points(store.query, "r0001", 7)) == 7


def test_a_part_of_a_cluster_that_was_split_says_so_and_names_the_other_parts() -> None:
    store = invented.full(rounds=1)
    patterns = store.query(
        "SELECT node, seed, id, name FROM pattern WHERE round = 0 ORDER BY seed, position LIMIT 3"
    )
    where = {"run": "r0001", "seed": patterns[0]["seed"], "round": 0, "node": patterns[0]["node"]}
    for row in patterns:
        store.add(
            "pattern_link", **where, pattern=row["id"], parent="p-whole", kind="part", shared=2
        )
    life = [dossier.life[0] for dossier in collect(store.query, "r0001").dossiers]
    parts = {one.beside for one in life if one.part_of == "p-whole"}
    names = {row["name"] for row in patterns}
    assert {(frozenset(beside)) for beside in parts} == {
        frozenset(names - {name}) for name in names
    }
    assert all(one.beside == () for one in life if one.part_of is None)
    page = render_html(collect(store.query, "r0001"))
    assert page.count("part of cluster p-whole beside &#39;") == 3


def test_members_are_those_of_a_log_too() -> None:
    store = invented.full(rounds=1)
    before = {(d.tally.facts.seed, d.tally.facts.id): d for d in collect(store.query, "r0001").dossiers}  # fmt: skip
    first = next(iter(before.values())).members[0].example
    store.db.execute("UPDATE flat_failure SET split = 'logged' WHERE example = ?", [first])
    after = collect(store.query, "r0001").dossiers
    assert [one.members for one in after] == [one.members for one in before.values()]
