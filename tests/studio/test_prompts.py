"""Every prompt of a recipe for one of its rows, as the page asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.prompts import show_prompt
from engine.studio.settings import Settings
from tests.e2e.scripted_project import write_project
from tests.studio.conftest import Studio, opened

RECIPE = "recipe.yaml"
STAGES = ("predict", "diagnose", "name", "strategy", "generate", "judge")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("prompts") / "project").parent


@pytest.fixture(scope="module")
def studio(project: Path) -> Studio:
    return opened(Settings(project / ".pada", project))


def test_the_stages_that_ask_a_model_are_listed_with_the_rows(studio: Studio) -> None:
    found = studio.get("prompts", recipe=RECIPE)
    names = [one["name"] for one in found["stages"]]
    assert names == list(STAGES)
    assert all(one["about"] for one in found["stages"])
    assert (found["count"], found["found"], len(found["rows"])) == (24, 24, 24)
    assert 1 <= found["random"] <= 24
    one = studio.get("prompts", recipe=RECIPE, search="ROW7")
    assert [row["number"] for row in one["rows"]] == [8]
    assert studio.get("prompts", recipe=RECIPE, search="nothing has this")["random"] is None


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_shows_its_prompt_with_file_length_and_schema(
    studio: Studio, stage: str
) -> None:
    found = studio.get("prompts/shown", recipe=RECIPE, stage=stage)
    for one in found["prompts"]:
        assert one["turns"]
        assert one["tokens"] > 10
        assert one["file"].endswith(".md")
        assert (one["sheet"]["schema"] is None) == (stage == "predict")
        assert one["sheet"]["role"] in ("student", "teacher", "judge")


@pytest.mark.parametrize("stage", ["predict", "diagnose"])
@pytest.mark.parametrize("number", [1, 8, 24])
def test_the_row_that_was_chosen_stands_in_the_prompt(
    studio: Studio, stage: str, number: int
) -> None:
    (row,) = [r for r in studio.get("prompts", recipe=RECIPE)["rows"] if r["number"] == number]
    found = studio.get("prompts/shown", recipe=RECIPE, stage=stage, row=number)
    (one,) = found["prompts"]
    assert one["sheet"]["has_row"] is True
    assert row["inputs"]["text"] in "".join(turn["content"] for turn in one["turns"])


def test_a_row_is_a_training_row_where_rows_are_written(studio: Studio) -> None:
    for number in range(1, 25):
        found = studio.get("prompts/shown", recipe=RECIPE, stage="generate", row=number)
        if found["prompts"][0]["sheet"]["has_row"]:
            return
    pytest.fail("no row is a seed")


def test_the_command_shows_the_same(
    studio: Studio, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = project / ".pada"
    show_prompt(str(project / RECIPE), [], state, None, "diagnose", None, with_schema=False, row=8)
    said = capsys.readouterr().out
    (one,) = studio.get("prompts/shown", recipe=RECIPE, stage="diagnose", row=8)["prompts"]
    assert one["turns"][-1]["content"].strip() in said
    assert "the one with this row has" in said


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"stage": "diagnos"}, "no stage 'diagnos'"),
        ({"stage": "rate"}, "has no stage 'rate'"),
        ({"stage": "diagnose", "row": 25}, "there is no training row 25"),
        ({"stage": "diagnose", "row": -1}, "there is no training row -1"),
        ({"stage": "diagnose", "row": "x"}, "is not a whole number"),
        ({"stage": "diagnose", "recipe": "../recipe.yaml"}, "is no recipe of this project"),
    ],
)
def test_what_cannot_be_shown_is_told(studio: Studio, asked: dict[str, str], message: str) -> None:
    answer = studio.client.get("/api/prompts/shown", params={"recipe": RECIPE} | asked)
    assert answer.status_code == 400
    assert message in answer.json()["error"]
    assert studio.bugs == []


def test_of_a_broken_recipe_it_is_told_what_is_wrong(studio: Studio, project: Path) -> None:
    (project / "broken").mkdir(exist_ok=True)
    (project / "broken/recipe.yaml").write_text("recipe: 1\nname: broken\n")
    answer = studio.client.get("/api/prompts", params={"recipe": "broken/recipe.yaml"})
    assert answer.status_code == 400
    assert "broken/recipe.yaml" in answer.json()["error"]
