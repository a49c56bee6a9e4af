"""Methods in whole runs: the same recipe goes round as the method says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.project import Project
from tests.e2e.balance import assert_balanced
from tests.e2e.runs import pada, rows
from tests.e2e.scripted_project import write_project
from tests.e2e.tiny_project import write_project as write_tiny_project

pytestmark = pytest.mark.long


def test_vanilla_trains_once_to_its_best_step_and_asks_nobody(tmp_path: Path) -> None:
    recipe = write_tiny_project(tmp_path / "project")
    text = recipe.read_text("utf-8")
    state = tmp_path / "state"
    vanilla = text.replace("loop: {rounds: 2, ", "loop: {method: vanilla, ")
    recipe.write_text(vanilla, "utf-8")
    ran = pada("run", str(recipe), "--state", str(state))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (model,) = rows(state, "SELECT round, rows, steps, chosen_step, validation_loss FROM model")
    assert (model["round"], model["rows"], model["steps"]) == (0, 16, 8)
    assert model["chosen_step"] in range(1, 9)
    assert model["validation_loss"] is not None, "it was looked for on validation"
    assert rows(state, "SELECT count(*) AS n FROM llm_call") == [{"n": 0}]
    decided = rows(state, "SELECT go_on, reason FROM decision")
    assert decided == [{"go_on": False, "reason": "all rounds of the recipe are done"}]
    assert "seed-0/round-0" in ran.stdout
    # Another method on the same rows shares the untuned student with it.
    recipe.write_text(text.replace("rounds: 2", "rounds: 0"), "utf-8")
    planned = Project.open(recipe, state).plan()
    assert {one.node.name: one.state for one in planned.states if one.state == "cached"} == {
        name: "cached" for name in ("load", "untuned/predict", "untuned/score")
    }


METHOD = """\
method: 1
name: short
description: Two rounds, each on the original rows and the latest ones alone.
failures: validation
analysis: patterns
seeds: in_turn
keep: latest
rounds: 2
"""


def test_a_method_beside_the_recipe_says_what_each_fine_tune_sees(tmp_path: Path) -> None:
    recipe = write_project(tmp_path / "project")
    recipe.write_text(recipe.read_text("utf-8").replace("rounds: 1", "method: short"), "utf-8")
    methods = recipe.parent / "methods"
    methods.mkdir()
    (methods / "short.yaml").write_text(METHOD, "utf-8")
    project = Project.open(recipe, tmp_path / "state")
    assert project.run().status == "done"
    trained = rows(project.state, "SELECT round, rows FROM model ORDER BY round")
    selected = rows(
        project.state, "SELECT round, count(*) AS n FROM selected GROUP BY round ORDER BY round"
    )
    assert [row["round"] for row in trained] == [0, 1, 2]
    first, second = (row["n"] for row in selected)
    assert first
    assert second
    # Each round's fine-tune sees the 24 original rows and those that the round before it selected.
    assert [row["rows"] for row in trained] == [24, 24 + first, 24 + second]


@pytest.mark.runs
def test_random_writes_rows_for_every_label_alike_and_diagnoses_nothing(tmp_path: Path) -> None:
    operators = "{name: new_situation}, {name: contrast_pair}, {name: paraphrase}"
    recipe = write_project(tmp_path / "project", OPERATORS=operators, ATTEMPTS="2")
    recipe.write_text(
        recipe.read_text("utf-8").replace("rounds: 1", "rounds: 1, method: random"), "utf-8"
    )
    project = Project.open(recipe, tmp_path / "state")
    assert [problem for problem in project.validate() if problem.level == "error"] == []
    assert project.run().status == "done"
    assert rows(project.state, "SELECT count(*) AS n FROM diagnosis") == [{"n": 0}]
    written = rows(project.state, "SELECT DISTINCT pattern, strategy, operator FROM candidate")
    assert written == [{"pattern": "coverage", "strategy": "coverage", "operator": "new_situation"}]
    joined = rows(
        project.state,
        "SELECT c.target, count(*) AS n FROM selected s JOIN candidate c ON c.id = s.candidate GROUP BY ALL",
    )
    assert sorted((row["target"], row["n"]) for row in joined) == [("colour", 6), ("number", 6)]
    assert_balanced(project.state)


def with_method(folder: Path, method: str, state: Path, **changes: Any) -> Project:
    """Return the scripted project with another method; its teacher answers at random."""
    recipe = write_project(folder, **changes)
    text = recipe.read_text("utf-8").replace("loop: {rounds:", f"loop: {{method: {method}, rounds:")
    recipe.write_text(text, "utf-8")
    project = Project.open(recipe, state)
    assert [problem for problem in project.validate() if problem.level == "error"] == []
    return project


@pytest.mark.runs
def test_auggpt_rewords_every_training_row_alike_and_judges_nothing(tmp_path: Path) -> None:
    # Two or three rewordings of each of the 24 rows; what is rejected is asked for again of the same row.
    project = with_method(
        tmp_path / "project", "auggpt", tmp_path / "state", ROWS="60", ATTEMPTS="3"
    )
    assert project.run().status == "done"
    written = rows(project.state, "SELECT DISTINCT pattern, operator FROM candidate")
    assert written == [{"pattern": "coverage", "operator": "paraphrase"}]
    made = rows(
        project.state,
        "SELECT c.parent, c.target, e.target AS own, count(*) AS n FROM selected s JOIN candidate c"
        " ON c.id = s.candidate JOIN example e ON e.id = c.parent GROUP BY ALL",
    )
    assert {row["n"] for row in made} <= {1, 2, 3}
    assert len(made) == 24
    assert 55 <= sum(row["n"] for row in made) <= 60
    assert all(row["target"] == row["own"] for row in made)
    asked = rows(project.state, "SELECT DISTINCT role FROM llm_call")
    assert asked == [{"role": "teacher"}]
    assert_balanced(project.state)


@pytest.mark.runs
def test_llm2llm_writes_one_row_from_each_training_row_that_is_wrong(tmp_path: Path) -> None:
    project = with_method(
        tmp_path / "project", "llm2llm", tmp_path / "state", ROUNDS="2", ROWS="50"
    )
    assert project.run().status == "done"
    wrong = rows(
        project.state, "SELECT round, example FROM failure WHERE split = 'train' ORDER BY ALL"
    )
    first = [row["example"] for row in wrong if row["round"] == 0]
    assert 0 < len(first) < 24
    made = rows(
        project.state,
        "SELECT c.parent, count(*) AS n FROM selected s JOIN candidate c ON c.id = s.candidate"
        " WHERE s.round = 0 GROUP BY ALL ORDER BY c.parent",
    )
    assert {row["n"] for row in made} == {1}
    # One whose new rows are all rejected gives none.
    assert len(first) - 2 <= len(made)
    assert {row["parent"] for row in made} <= set(first)
    trained = rows(project.state, "SELECT round, rows FROM model ORDER BY round")
    # Cumulative, and a row that is wrong again gives another new one.
    second = {row["example"] for row in wrong if row["round"] == 1}
    again = rows(
        project.state,
        "SELECT c.parent FROM selected s JOIN candidate c ON c.id = s.candidate WHERE s.round = 1",
    )
    assert {row["parent"] for row in again} <= second
    assert [row["rows"] for row in trained] == [24, 24 + len(made), 24 + len(made) + len(again)]
    operators = rows(project.state, "SELECT DISTINCT operator FROM candidate")
    assert operators == [{"operator": "similar_row"}]
    assert rows(project.state, "SELECT count(*) AS n FROM diagnosis") == [{"n": 0}]
    assert_balanced(project.state)
