"""Whole runs with a tiny student that is really trained: kills, second runs, changes."""

import json
from pathlib import Path

import pytest

from tests.e2e.runs import (
    answered_twice,
    kill_at_random,
    moments,
    pada,
    pada_here,
    results,
    rows,
)
from tests.e2e.tiny_project import write_project

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("tiny"), delay_ms=20)


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
    (ran,) = rows(
        undisturbed, "SELECT epoch(ended - started) AS seconds FROM run WHERE id = 'r0001'"
    )
    often = moments(5, ran["seconds"] / 2, seed=1)
    killed = kill_at_random(["run", str(project)], tmp_path, often)
    assert killed >= 2
    found = pada("run", str(project), "--state", str(tmp_path))
    assert found.returncode == 0, found.stdout + found.stderr
    assert results(tmp_path) == results(undisturbed)
    assert answered_twice(tmp_path) == []
    # However often it was killed, it is one run; a fast machine may finish before the last kill, and then do nothing.
    assert {row["status"] for row in rows(tmp_path, "SELECT status FROM run")} == {"done"}


def test_a_second_run_does_nothing_and_a_new_description_does_nothing(
    project: Path, undisturbed: Path
) -> None:
    before = results(undisturbed)
    asked = "SELECT pattern, count(*) AS n FROM failures GROUP BY ALL ORDER BY ALL"
    shown = rows(undisturbed, asked)
    project.write_text(
        project.read_text("utf-8").replace(
            "name: tiny\n", "name: tiny\ndescription: The same, described.\n"
        ),
        "utf-8",
    )
    again = pada_here("run", project, "--state", undisturbed)
    assert "0 nodes computed" in again.out
    assert results(undisturbed) == before
    assert rows(undisturbed, asked) == shown, "each result is shown once"
    every = rows(undisturbed, "SELECT run, count(*) AS n FROM all_failures GROUP BY run")
    assert [row["n"] for row in every] == [sum(row["n"] for row in shown)] * 2


def test_a_changed_setting_reruns_what_depends_on_it_and_plan_says_why(
    undisturbed: Path, tmp_path: Path
) -> None:
    recipe = write_project(tmp_path, delay_ms=20)
    recipe.write_text(
        recipe.read_text("utf-8").replace("neighbours: advise", "neighbours: reject"), "utf-8"
    )
    plan = pada_here("plan", recipe, "--state", undisturbed)
    lines = {line.split()[0]: line for line in plan.out.splitlines() if "round-" in line}
    assert "cached" in lines["seed-0/round-0/generate-1"]
    assert "gates.neighbours.mode: advise -> reject" in lines["seed-0/round-0/gate-1"]
    assert "input changed" in lines["seed-0/round-1/train"]
    assert "cached" in lines["seed-0/round-0/train"]
    assert "minutes: about" in plan.out


def test_mermaid_and_json_come_out_clean(project: Path, undisturbed: Path) -> None:
    graph = pada_here("plan", project, "--state", undisturbed, "--mermaid")
    assert graph.out.startswith("flowchart TD")
    found = pada_here("sql", "SELECT id, status FROM run", "--json", "--state", undisturbed)
    assert json.loads(found.out.splitlines()[0])["id"] == "r0001"
