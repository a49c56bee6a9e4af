"""Runs that end otherwise than usual, with scripted models: nothing to mend or accept, no budget, Ctrl-C, preview."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.runs import answered_twice, pada_here, rows, start
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.runs


def test_no_candidate_accepted_keeps_the_model_and_shows_the_funnel(tmp_path: Path) -> None:
    recipe = write_project(tmp_path / "project", answers=False, scripted=True)
    found = pada_here("run", recipe, "--state", tmp_path / "state")
    assert found.code == 0, found.out + found.errors
    assert "no candidate was accepted" in found.out
    assert "the previous model stays" in found.out
    assert [row["round"] for row in rows(tmp_path / "state", "SELECT round FROM model")] == [0]


def test_no_failure_found_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_project(tmp_path / "project", scripted=True)
    text = recipe.read_text("utf-8").replace("failure: accuracy < 1", "failure: accuracy < 0")
    recipe.write_text(text, "utf-8")
    # As most people run it: from the recipe's folder, with the default state folder.
    monkeypatch.chdir(recipe.parent)
    found = pada_here("run", ".")
    assert found.code == 0, found.out + found.errors
    assert "no failures found on validation" in found.out
    assert rows(recipe.parent / ".pada", "SELECT count(*) AS n FROM llm_call") == [{"n": 0}]


def test_a_budget_stops_cleanly_and_a_raised_one_goes_on(tmp_path: Path) -> None:
    recipe = write_project(tmp_path / "project", scripted=True)
    state = tmp_path / "state"
    text = recipe.read_text("utf-8")
    recipe.write_text(text + "budget: {calls: 20}\n", "utf-8")
    found = pada_here("run", recipe, "--state", state)
    assert found.code == 0, found.out + found.errors
    assert "budget of 20 calls" in found.out
    calls = rows(state, "SELECT count(*) AS n FROM llm_call")[0]["n"]
    assert 0 < calls <= 20
    assert rows(state, "SELECT status FROM run")[0]["status"] == "stopped"
    recipe.write_text(text, "utf-8")
    found = pada_here("run", recipe, "--state", state)
    assert found.code == 0, found.out + found.errors
    assert rows(state, "SELECT id, status FROM run") == [{"id": "r0001", "status": "done"}]
    assert answered_twice(state) == []


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path: Path) -> None:
    recipe = write_project(tmp_path / "project", delay_ms=100, scripted=True)
    state = tmp_path / "state"
    process = start("run", str(recipe), "--state", str(state))
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("seed-0/round-0/score"):
            break
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 130, out + errors
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    assert rows(state, "SELECT status FROM run") == [{"status": "interrupted"}]
    again = pada_here("run", recipe, "--state", state)
    assert again.code == 0, again.out + again.errors
    assert rows(state, "SELECT id, status FROM run") == [{"id": "r0001", "status": "done"}]
    assert rows(state, "SELECT count(*) AS n FROM model WHERE round = 0") == [{"n": 1}]
    assert answered_twice(state) == []


def test_preview_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_project(tmp_path / "project", scripted=True)
    monkeypatch.chdir(tmp_path)
    found = pada_here("preview", recipe, "-n", "12", "--steps", "2")
    assert found.code == 0, found.out + found.errors
    assert "nothing is kept" in found.out
    assert "Ask further" not in found.out, "its store is gone"
    assert {path.name for path in tmp_path.iterdir()} == {"project"}
