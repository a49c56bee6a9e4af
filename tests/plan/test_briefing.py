"""What a recipe tells the teacher of labels and columns: none of it reaches the student."""

from __future__ import annotations

from pathlib import Path

from engine.plan.stage_params import StageParams
from engine.plan.validate import check_recipe
from engine.project import Project
from engine.spec.loader import load
from tests.plan.fake_resources import fake_resources
from tests.plan.test_validate import GOOD, write_good

LISTED = "labels: [billing, delivery]"
DEFINED = 'labels: {billing: "It costs: why?", delivery: It comes.}'
COLUMNS = "columns: {text: what was written, label: what it is about}"


def write(folder: Path, more: str) -> Path:
    folder.mkdir()
    return write_good(folder, GOOD.replace("description: Mail.", f"description: Mail., {more}"))


def test_a_mapping_of_labels_teaches_a_student_what_a_list_does(tmp_path: Path) -> None:
    ids = {}
    for number, labels in enumerate((LISTED, DEFINED)):
        recipe = write(tmp_path / str(number), labels)
        assert check_recipe(load(recipe)) == []
        project = Project.open(recipe, tmp_path / "state")
        plan = project.plan().plan
        assert plan.nodes["load"].params.task.labels == ("billing", "delivery")  # type: ignore[attr-defined]
        ids[labels] = {
            name: node.id
            for name, node in plan.nodes.items()
            # Later students learn rows that were written by what labels mean.
            if node.stage in ("train", "predict") and node.round < 1
        }
    assert len(ids[LISTED]) > 2
    assert ids[LISTED] == ids[DEFINED], "what labels mean trains no student again"


def test_definitions_and_columns_are_the_teachers_briefing(tmp_path: Path) -> None:
    recipe = load(write(tmp_path / "defined", f"{DEFINED}, {COLUMNS}")).recipe
    briefing = StageParams(recipe, fake_resources(recipe), "p", None).briefing
    assert briefing.description == "Mail."
    assert briefing.definitions == {"billing": "It costs: why?", "delivery": "It comes."}
    assert briefing.columns == {"text": "what was written", "label": "what it is about"}
    plain = load(write(tmp_path / "listed", LISTED)).recipe
    assert StageParams(plain, fake_resources(plain), "p", None).briefing.definitions == {}


def test_columns_that_are_neither_input_nor_target_are_refused(tmp_path: Path) -> None:
    recipe = write(tmp_path / "wrong", "columns: {lable: what it is about}")
    (problem,) = check_recipe(load(recipe))
    assert (problem.level, problem.where.line, problem.hint) == (
        "error",
        3,
        "did you mean 'label'?",
    )
