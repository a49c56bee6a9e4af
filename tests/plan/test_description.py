"""A task's description reaches teacher and judge; it trains a student anew only where the student is shown it."""

from __future__ import annotations

from pathlib import Path

from engine.project import Project
from tests.e2e.scripted_project import write_project


def nodes(recipe: Path) -> dict[str, str]:
    plan = Project.open(recipe).plan().plan
    return {node.stage: node.id for node in plan.nodes.values() if node.round <= 0}


def described(recipe: Path, description: str) -> dict[str, str]:
    text = recipe.read_text("utf-8")
    recipe.write_text(
        text.replace("target: kind", f"target: kind, description: {description}", 1), "utf-8"
    )
    return nodes(recipe)


def test_a_better_description_asks_the_teacher_again_and_trains_nothing(tmp_path: Path) -> None:
    recipe = write_project(tmp_path)
    before, after = nodes(recipe), described(recipe, "Mail of a shop.")
    changed = {stage for stage, node in after.items() if before[stage] != node}
    assert "diagnose" in changed
    assert not changed & {"load", "train", "predict", "score"}


def test_where_the_student_s_prompt_shows_it_the_student_is_asked_anew(tmp_path: Path) -> None:
    recipe = write_project(tmp_path)
    prompt = tmp_path / "prompts/tasks/classification.md"
    prompt.parent.mkdir(parents=True)
    prompt.write_text("[[user]]\n{{ description }} {{ row.values() | first }}\n", "utf-8")
    before, after = nodes(recipe), described(recipe, "Mail of a shop.")
    assert {"train", "predict"} & {stage for stage, node in after.items() if before[stage] != node}
