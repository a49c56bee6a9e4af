"""Versions in the browser say what `pada history`, `pada diff` and `pada list packages` say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.packages.installing import install
from engine.spec.package_data import shipped
from engine.studio.settings import Settings
from tests.e2e.runs import pada_here
from tests.packages.made import Commit, make_project, make_repository, package
from tests.studio import reviewed
from tests.studio.conftest import Studio, opened
from tests.studio.reviewed import studio_of
from tests.versions.made import commit, edit, git

pytestmark = pytest.mark.runs
RECIPE = "recipe.yaml"


@pytest.fixture
def folder(reviewed_project: Path, tmp_path: Path) -> Path:
    return reviewed.copy(reviewed_project, tmp_path / "project")


def printed(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = pada_here(*arguments, "--state", folder / ".pada", "--json")
    assert done.code == 0, done.errors
    return [json.loads(line) for line in done.out.splitlines()]


def versions(studio: Studio, recipe: str = RECIPE) -> dict[str, Any]:
    return dict(studio.get("versions", recipe=recipe))


def differs(studio: Studio, before: str, after: str, recipe: str = RECIPE) -> dict[str, Any]:
    return dict(studio.get("versions/diff", recipe=recipe, before=before, after=after))


def test_versions_and_runs_are_those_of_pada_history(folder: Path) -> None:
    studio = studio_of(folder)
    edit(folder / RECIPE, "name: estimated", "name: estimated\nversion: 1.1.0")
    second = commit(folder, "second \u202e")
    found = versions(studio)
    listed = printed(folder, "history", str(folder))
    assert [one["commit"] for one in found["versions"]] == [one["commit"] for one in listed]
    new, old = found["versions"]
    assert (new["commit"], new["version"], new["subject"]) == (second, "1.1.0", "second [U+202E]")
    (run,) = old["runs"]
    assert (old["tags"], run["run"]) == (["v1.0"], "r0001")
    assert run["chosen"]["value"] == listed[1]["runs"][0]["chosen"]["value"]
    assert found["now"]["changed"] == []
    edit(folder / RECIPE, "rows_per_round: 15", "rows_per_round: 14")
    assert versions(studio)["now"]["changed"] == [RECIPE]


def test_what_differs_is_what_pada_diff_says(folder: Path) -> None:
    studio = studio_of(folder)
    first = git(folder, "rev-parse", "HEAD")
    edit(folder / RECIPE, "rows_per_round: 15", "rows_per_round: 14")
    found = differs(studio, first, "")
    (said,) = printed(folder, "diff", str(folder), f"{first}..")
    (group,) = found["settings"]
    assert [one["text"] for one in group["changes"]] == ["~ augment.rows_per_round: 15 -> 14"]
    assert group["changes"][0]["where"] == "recipe.yaml:17"
    assert found["pending"] == len(said["pending"]) > 0
    assert found["causes"]
    assert found["command"] == f"pada diff recipe.yaml {first[:12]}.."
    # What would a run do anew that ran before?
    of_run = differs(studio, "r0001", "")
    assert of_run["settings"][0]["changes"][0]["text"] == "~ augment.rows_per_round: 15 -> 14"
    assert of_run["command"] == "pada diff r0001 recipe.yaml"


@pytest.mark.long
def test_a_recipe_that_had_another_name_has_its_whole_history(folder: Path) -> None:
    studio = studio_of(folder)
    first = git(folder, "rev-parse", "HEAD")
    (folder / "recipes").mkdir()
    git(folder, "mv", RECIPE, "recipes/support.yaml")
    text = (folder / "recipes/support.yaml").read_text("utf-8")
    moved = text.replace("path: ", "path: ../").replace("replies: ", "replies: ../")
    (folder / "recipes/support.yaml").write_text(moved, "utf-8")
    second = commit(folder, "moved")
    found = versions(studio, "recipes/support.yaml")["versions"]
    assert [(one["commit"], one["file"]) for one in found] == [
        (second, "recipes/support.yaml"),
        (first, RECIPE),
    ]
    assert [run["run"] for run in found[1]["runs"]] == ["r0001"]
    assert differs(studio, "r0001", first, "recipes/support.yaml")["same"] is True
    assert differs(studio, first, "", "recipes/support.yaml")["nodes"] == 17
    (said,) = printed(folder, "diff", str(folder / "recipes/support.yaml"), f"{first}..")
    assert said["nodes"] == 17


@pytest.mark.long
def test_without_git_there_are_runs_and_no_versions(folder: Path) -> None:
    shutil.rmtree(folder / ".git")
    studio = studio_of(folder)
    found = versions(studio)
    assert [one["commit"] for one in found["versions"]] == [None]
    assert [run["run"] for run in found["versions"][0]["runs"]] == ["r0001"]
    assert found["now"]["in_git"] is False
    assert differs(studio, "r0001", "")["same"] is True
    assert not studio.bugs


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("HEAD", "", "no run and no commit"),
        ("--output=x", "", "no run and no commit"),
        ("../other.yaml", "", "no run and no commit"),
        ("", "", "the same version"),
        ("r0099", "", "r0099"),
        ("0123456789", "", "no version"),
    ],
)
def test_what_is_no_version_is_refused(
    reviewed_project: Path, before: str, after: str, said: str
) -> None:
    studio = studio_of(reviewed_project)
    query = {"recipe": RECIPE, "before": before, "after": after}
    answer = studio.client.get("/api/versions/diff", params=query)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert not studio.bugs


def test_a_recipe_outside_of_the_project_is_refused(reviewed_project: Path) -> None:
    studio = studio_of(reviewed_project)
    for name in ("../recipe.yaml", "/etc/passwd", "nothing.yaml", ""):
        assert studio.client.get("/api/versions", params={"recipe": name}).status_code == 400


def test_the_repository_has_its_packages_as_they_are_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADA_CACHE", str(tmp_path / "cache"))
    address = make_repository(
        tmp_path / "texts.git",
        Commit(package("texts", "1.0.0", **{"prompts/a.j2": "a"}), ["v1.0.0"]),
    )
    folder = make_project(tmp_path / "app", f"{{git: '{address}', revision: '>=1,<2'}}")
    studio = opened(Settings(folder / ".pada", folder))
    found = studio.get("repository")
    assert "pada deps" in found["problems"][0]["hint"]
    install(folder, lambda _: None)
    found = studio.get("repository")
    monkeypatch.chdir(folder)
    done = pada_here("list", "packages", "--json")
    listed = [json.loads(line) for line in done.out.splitlines()]
    assert found["packages"] == listed
    (texts,) = found["packages"]
    assert (texts["name"], texts["version"], texts["installed"], texts["trusted"]) == (
        "texts", "1.0.0", True, False,
    )  # fmt: skip
    assert found["problems"] == []
    assert found["project"]["has_lock"] is True
    assert pada_here("trust", "texts").code == 0
    assert studio.get("repository")["packages"][0]["trusted"] is True


def test_a_folder_without_a_project_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(shipped("recipes") / "quickstart", tmp_path / "quickstart")
    studio = opened(Settings(tmp_path / ".pada", tmp_path))
    found = studio.get("repository")
    assert found["project"] is None
    assert "pada.yaml" in found["why_not"]["message"]
    assert studio.get("versions", recipe="quickstart/recipe.yaml")["versions"] == []
