"""The recipe in README runs when it is copied out, here with scripted models in place of the embedded ones."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from engine.plan.validate import check_recipe
from engine.project import Project
from engine.spec.loader import load
from engine.spec.package_data import shipped
from tests.cli.test_documents import ROOT


def copied(folder: Path) -> Path:
    """Write README's recipe into a folder with the quickstart's data."""
    text = (ROOT / "README.md").read_text("utf-8")
    (recipe,) = re.findall(r"^```yaml\n(recipe: 1\n.*?)^```$", text, re.DOTALL | re.MULTILINE)
    shutil.copytree(shipped("recipes") / "quickstart" / "data", folder / "data")
    path = folder / "copied.yaml"
    path.write_text(recipe, "utf-8")
    return path


def test_the_recipe_of_readme_is_valid_as_it_stands(tmp_path: Path) -> None:
    assert [str(p) for p in check_recipe(load(copied(tmp_path))) if p.level == "error"] == []


@pytest.mark.runs
def test_the_recipe_of_readme_runs(tmp_path: Path) -> None:
    path = copied(tmp_path)
    text = path.read_text("utf-8")
    scripted, count = re.subn(
        r"\{backend: [\w-]+, model: embedded/[\w.-]+\}", "{backend: scripted, model: m}", text
    )
    assert count == 4
    path.write_text(scripted, "utf-8")
    outcome = Project.open(str(path), tmp_path / "state", limit=10).run()
    assert outcome.status == "done"
