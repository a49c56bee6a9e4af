"""Whole runs with a tiny student that is really trained: kills, second runs, changes, seeds."""

import json
from pathlib import Path

import pytest

from tests.e2e.runs import (
    answered_twice,
    kill_at_random,
    moments,
    pada,
    results,
    rows,
)
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("tiny"), delay_ms=60)


@pytest.fixture(scope="module")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("undisturbed")
    found = pada("run", str(project), "--state", str(state))
    assert found.returncode == 0, found.stdout + found.stderr
    return state


def test_the_loop_goes_round_twice(undisturbed: Path) -> None:
    trained = rows(undisturbed, "SELECT round, rows FROM model ORDER BY round")
    assert [row["round"] for row in trained] == [0, 1, 2]
    assert trained[0]["rows"] < trained[1]["rows"] < trained[2]["rows"]
    tracked = rows(undisturbed, "SELECT DISTINCT round FROM pattern_status ORDER BY round")
    assert [row["round"] for row in tracked] == [1, 2]


def test_killed_five_times_it_ends_with_the_same_rows_and_asks_nothing_twice(
    project: Path, undisturbed: Path, tmp_path: Path
) -> None:
    killed = kill_at_random(["run", str(project)], tmp_path, moments(5, 20.0, seed=1))
    assert killed >= 2
    found = pada("run", str(project), "--state", str(tmp_path))
    assert found.returncode == 0, found.stdout + found.stderr
    assert results(tmp_path) == results(undisturbed)
    assert answered_twice(tmp_path) == []
    ended = rows(tmp_path, "SELECT status FROM run ORDER BY id")
    assert ended[-1]["status"] == "done"
    # A fast machine may finish before the last kill; a run killed while it starts leaves no row.
    assert {row["status"] for row in ended[:-1]} <= {"killed", "done"}


def test_a_second_run_does_nothing_and_a_new_description_does_nothing(
    project: Path, undisturbed: Path
) -> None:
    before = results(undisturbed)
    project.write_text(
        project.read_text("utf-8").replace(
            "name: tiny\n", "name: tiny\ndescription: The same, described.\n"
        ),
        "utf-8",
    )
    again = pada("run", str(project), "--state", str(undisturbed))
    assert "0 nodes computed" in again.stdout
    assert results(undisturbed) == before


def test_a_changed_setting_reruns_what_depends_on_it_and_plan_says_why(
    undisturbed: Path, tmp_path: Path
) -> None:
    recipe = write_project(tmp_path, delay_ms=60)
    recipe.write_text(
        recipe.read_text("utf-8").replace("neighbours: advise", "neighbours: reject"), "utf-8"
    )
    plan = pada("plan", str(recipe), "--state", str(undisturbed))
    lines = {line.split()[0]: line for line in plan.stdout.splitlines() if "round-" in line}
    assert "cached" in lines["seed-0/round-0/generate-1"]
    assert "gates.neighbours.mode: advise -> reject" in lines["seed-0/round-0/gate-1"]
    assert "input changed" in lines["seed-0/round-1/train"]
    assert "cached" in lines["seed-0/round-0/train"]
    assert "minutes: about" in plan.stdout


def test_two_seeds_are_two_loops_on_one_load(tmp_path: Path) -> None:
    recipe = write_project(tmp_path / "project")
    text = recipe.read_text("utf-8").replace("rounds: 2", "rounds: 0")
    recipe.write_text(text + "seeds: [0, 1]\n", "utf-8")
    found = pada("run", str(recipe), "--state", str(tmp_path / "state"))
    assert found.returncode == 0, found.stdout + found.stderr
    trained = rows(tmp_path / "state", "SELECT seed, weights FROM model ORDER BY seed")
    assert [row["seed"] for row in trained] == [0, 1]
    assert trained[0]["weights"] != trained[1]["weights"]
    nodes = rows(tmp_path / "state", "SELECT count(*) AS n FROM node WHERE stage = 'load'")
    assert nodes == [{"n": 1}]


def test_mermaid_and_json_come_out_clean(project: Path, undisturbed: Path) -> None:
    graph = pada("plan", str(project), "--state", str(undisturbed), "--mermaid")
    assert graph.stdout.startswith("flowchart TD")
    found = pada("sql", "SELECT id, status FROM run", "--json", "--state", str(undisturbed))
    assert json.loads(found.stdout.splitlines()[0])["id"] == "r0001"
