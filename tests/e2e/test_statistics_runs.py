"""A whole run with rows enough: validation divided, failures held out, a control, and nothing claimed by chance."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from engine.project import Project
from engine.report.console import summary
from engine.report.facts import collect
from engine.store import reader
from tests.e2e.balance import assert_balanced
from tests.e2e.runs import rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.long

VALIDATION = 400
FAILING = VALIDATION * 2 // 5


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("statistics")
    recipe = write_project(folder / "project", validation=VALIDATION, ROUNDS="2", ATTEMPTS="1")
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace("control: false", "control: true"), "utf-8")
    project = Project.open(recipe, folder / "state")
    assert project.run().status == "done"
    assert_balanced(project.state)
    return project.state


def test_only_failures_of_one_half_are_diagnosed_and_some_of_them_by_nobody(state: Path) -> None:
    drawn = {
        row["part"]: row["n"]
        for row in rows(
            state, "SELECT part, count(*) AS n FROM drawn_failure WHERE round = 0 GROUP BY part"
        )
    }
    assert sum(drawn.values()) == FAILING
    assert abs(drawn["selection"] - FAILING / 2) < 20
    assert drawn["held_out"] == int(0.3 * (FAILING - drawn["selection"])) >= 20
    seen = rows(
        state,
        "SELECT count(*) AS n FROM diagnosis d JOIN drawn_failure f USING (example) WHERE f.part <> 'diagnose'",
    )
    assert seen == [{"n": 0}], "in no round"


def test_the_loop_is_decided_on_the_other_half(state: Path) -> None:
    found = rows(
        state,
        "SELECT d.value, m.n FROM decision d JOIN metric m ON m.round = d.round AND m.value = d.value"
        " WHERE d.metric = 'accuracy' AND m.split = 'validation_selection' ORDER BY d.round",
    )
    assert [row["n"] for row in found] == [VALIDATION // 2] * 3


def test_a_student_that_learns_nothing_is_credited_with_nothing(state: Path) -> None:
    statuses = rows(state, "SELECT status, rows, effect, low, high FROM pattern_status")
    assert {(row["status"], row["effect"]) for row in statuses} == {("unclear", 0.0)}
    assert all(row["rows"] >= 20 and row["low"] < 0 < row["high"] for row in statuses)
    assert {row["points"] for row in rows(state, "SELECT points FROM payoff")} == {None}
    assert rows(state, "SELECT DISTINCT best_round FROM decision WHERE metric = 'accuracy'") == [
        {"best_round": 0}
    ]


def test_the_summary_says_what_nobody_looked_at_and_that_round_0_is_kept(state: Path) -> None:
    with reader(state) as query:
        report = collect(query, rows(state, "SELECT id FROM run")[0]["id"])
    stream = io.StringIO()
    Console(file=stream, width=500, color_system=None).print(summary(report))
    shown = stream.getvalue()
    assert (
        "Round 0 is kept: no later round beats it on validation by what the stop rule asks."
        in shown
    )
    assert (
        "failures that nobody diagnosed, 0 are right after round 2, and 0 with the control" in shown
    )
    right = VALIDATION - FAILING
    assert (
        f"No regression beyond chance after round 2: of {right} rows that round 0 had right, 0 are wrong, 0 with the"
        in shown
    )
    assert "Validation is divided: patterns come from one half" in shown
    assert "Switched off for want of rows" not in shown
    assert "control" in [line.split()[0] for line in shown.splitlines() if line.strip()]
