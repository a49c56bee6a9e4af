"""Previews that are started, watched, stopped and looked at from pages; the process and the recipe are real."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.run.watching import standing
from engine.studio.settings import Settings
from engine.studio.uploads import FOLDER
from tests.e2e import tiny_project
from tests.studio.conftest import Studio, opened

PATIENCE = 120.0
"""Seconds; a guard against what hangs."""
RECIPE = {"recipe": "recipe.yaml"}


def write(folder: Path, delay_ms: int = 0) -> Path:
    recipe = tiny_project.write_project(folder, scripted=True, delay_ms=delay_ms)
    recipe.write_text(recipe.read_text("utf-8").replace("rounds: 2", "rounds: 1"), "utf-8")
    return recipe


def previews(project: Path) -> list[Path]:
    return sorted((project / ".pada" / FOLDER).glob("preview-*"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def studio(project: Path) -> Iterator[Studio]:
    """A studio over an own project; what runs in it is ended."""
    yield opened(Settings(project / ".pada", project))
    for state in previews(project):
        found = standing(state)
        if found.process is not None and found.process.lives:
            found.process.kill()


def until(studio: Studio, done: Callable[[Any], bool]) -> Any:
    """Return what is seen of the preview once it is as wanted."""
    end = time.monotonic() + PATIENCE
    while not done(found := studio.get("preview", whole=1, **RECIPE)):
        assert time.monotonic() < end, found
        time.sleep(0.05)
    return found


def test_what_it_would_ask_is_said_before(studio: Studio, project: Path) -> None:
    write(project)
    plan = studio.get("preview/plan", **RECIPE)
    assert plan["said"][0].startswith("estimate: ")
    assert (plan["rows"], plan["refused"], plan["problems"]) == (5, None, [])
    assert {one["role"] for one in plan["models"]} >= {"student", "teacher"}
    assert studio.get("preview", **RECIPE)["state"] == "none"
    assert studio.get("preview/result", **RECIPE) == {"run": None, "about": None}
    assert not (project / ".pada").exists()


@pytest.mark.runs
def test_a_preview_to_its_end_shows_rows_answers_diagnoses_new_rows_and_prompts(
    studio: Studio, project: Path
) -> None:
    recipe = write(project)
    mark = studio.get("preview/plan", **RECIPE)["mark"]
    assert studio.post("preview/start", RECIPE).status_code == 200
    found = until(studio, lambda found: found["state"] not in ("none", "starting", "running"))
    assert (found["state"], found["ended"]["status"]) == ("ended", "done"), found["log"]
    assert found["about"]["mark"] == mark
    result = studio.get("preview/result", **RECIPE)
    assert result["status"] == "done"
    assert len(result["examples"]) == 5
    assert all(one["origin"][0]["split"] == "validation" for one in result["examples"])
    assert all(one["answers"] for one in result["examples"])
    diagnosed = [one for one in result["examples"] if one["diagnoses"]]
    assert diagnosed
    assert result["generated"]
    assert all(one["written"][0]["outcome"] for one in result["generated"])
    call = diagnosed[0]["calls"][0]["id"]
    entries = studio.get(f"preview/calls/{call}", **RECIPE)["entries"]
    assert entries[0]["messages"]
    # The project's own store is not touched, and a recipe that is changed says so.
    assert studio.get("runs")["runs"] == []
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace("rounds: 1", "rounds: 0"))
    assert studio.get("preview/plan", **RECIPE)["mark"] != mark
    recipe.write_text(text)
    # Another takes its place.
    assert studio.post("preview/start", RECIPE).status_code == 200
    assert len(previews(project)) == 1


@pytest.mark.runs
def test_a_preview_is_stopped_and_only_one_of_a_recipe_goes_on(
    studio: Studio, project: Path
) -> None:
    write(project, delay_ms=3000)
    assert studio.post("preview/start", RECIPE).status_code == 200
    again = studio.post("preview/start", RECIPE)
    assert again.status_code == 400
    assert "going on" in again.json()["error"]
    pid = until(studio, lambda found: found["state"] == "running")["pid"]
    assert studio.post("preview/stop", RECIPE | {"pid": pid + 1}).status_code == 400
    assert studio.post("preview/stop", RECIPE | {"pid": pid}).status_code == 200
    found = until(studio, lambda found: found["state"] != "running")
    assert found["state"] == "ended"
    assert found["ended"]["status"] == "interrupted"


def test_a_broken_recipe_and_one_whose_replies_come_later_are_told(
    studio: Studio, project: Path
) -> None:
    recipe = write(project)
    text = recipe.read_text("utf-8")
    recipe.write_text(text.replace("failure: accuracy < 1", "failure: acuracy < 1"))
    assert any(
        "acuracy" in one["message"] for one in studio.get("preview/plan", **RECIPE)["problems"]
    )
    assert studio.post("preview/start", RECIPE).status_code == 400
    scripted = "{backend: scripted, model: teacher, replies: replies.jsonl, delay_ms: 0}"
    assert scripted in text
    recipe.write_text(text.replace(scripted, "{backend: batch, model: big, size: 1B}"))
    refused = studio.get("preview/plan", **RECIPE)["refused"]
    assert "cannot wait for a teacher with the backend 'batch'" in refused["message"]
    answer = studio.post("preview/start", RECIPE)
    assert answer.status_code == 400
    assert answer.json()["error"] == refused["message"]
    assert previews(project) == []


def test_a_key_that_nobody_consented_to_is_told_before(
    studio: Studio, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write(project)
    text = recipe.read_text("utf-8")
    hosted = "{backend: openai, model: m, base_url: 'https://models.example/v1', size: 1B, api_key: {env: THE_KEY}}"
    scripted = "{backend: scripted, model: teacher, replies: replies.jsonl, delay_ms: 0}"
    recipe.write_text(text.replace(scripted, hosted))
    monkeypatch.setenv("THE_KEY", "secret-value")
    plan = studio.get("preview/plan", **RECIPE)
    assert "THE_KEY" in plan["refused"]["message"]
    assert "secret-value" not in str(plan)
    assert {one["host"] for one in plan["models"] if one["role"] == "teacher"} == {
        "models.example:443"
    }


def test_a_studio_to_look_at_starts_nothing(project: Path) -> None:
    write(project)
    studio = opened(Settings(project / ".pada", project, read_only=True))
    assert "--read-only" in studio.post("preview/start", RECIPE).json()["hint"]
    assert studio.get("preview/plan", **RECIPE)["read_only"] is True
    assert not (project / ".pada").exists()


@pytest.mark.parametrize("name", ["../recipe.yaml", "nothing.yaml", ""])
def test_a_preview_is_of_a_recipe_of_the_project(studio: Studio, project: Path, name: str) -> None:
    write(project)
    for path in ("preview", "preview/plan", "preview/result", "preview/calls/x"):
        assert studio.client.get(f"/api/{path}", params={"recipe": name}).status_code == 400
    for path in ("preview/start", "preview/stop"):
        assert studio.post(path, {"recipe": name}).status_code == 400
