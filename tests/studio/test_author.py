"""Recipes in the browser: the list, the form over the text, problems as they are typed, saving."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.spec.package_data import shipped
from engine.studio.recipes import recipe_file
from engine.studio.settings import Settings
from tests.studio.conftest import Studio, opened

QUICKSTART = "recipes/quickstart/recipe.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the quickstart, its data beside it."""
    folder = tmp_path / "project"
    shutil.copytree(shipped("recipes") / "quickstart", folder / "recipes/quickstart")
    (folder / "pada.yaml").write_text("project: 1\nname: mine\n", "utf-8")
    return folder


def studio_of(folder: Path, *, read_only: bool = False) -> Studio:
    return opened(Settings(folder / ".pada", folder, read_only))


def test_recipes_are_listed_with_what_is_wrong_with_them(project: Path) -> None:
    (project / "broken.yaml").write_text("recipe: 1\nname: broken\ntaks: {}\n", "utf-8")
    studio = studio_of(project)
    broken, quickstart = studio.get("recipes")["recipes"]
    assert (quickstart["file"], quickstart["kind"]) == (QUICKSTART, "classification")
    assert quickstart["description"]
    assert broken["name"] == "broken"
    faults = studio.get("recipes/faults")["faults"]
    assert list(faults) == ["broken.yaml"]
    assert faults["broken.yaml"]["problem"]["where"]["line"] > 0


def test_a_folder_without_recipes_has_an_empty_list(tmp_path: Path) -> None:
    assert studio_of(tmp_path).get("recipes") == {"recipes": []}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("../elsewhere/recipe.yaml", "no recipe of this project"),
        ("/etc/passwd", "no recipe of this project"),
        ("a\\b.yaml", "no recipe of this project"),
        ("a\0b", "no recipe of this project"),
        ("", "no recipe of this project"),
        ("x" * 3000, "no path|no recipe"),
        ("pada.yaml", "is no recipe"),
        ("gone/recipe.yaml", "there is no recipe"),
        ("out/recipe.yaml", "leads out of the project"),
    ],
)
def test_names_lead_nowhere_else(project: Path, name: str, said: str) -> None:
    outside = project.parent / "outside"
    outside.mkdir()
    (outside / "recipe.yaml").write_text("recipe: 1\n", "utf-8")
    (project / "out").symlink_to(outside)
    with pytest.raises(EngineError, match=said):
        recipe_file(Settings(project / ".pada", project), name)
