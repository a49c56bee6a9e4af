"""Versions of a recipe and what their runs came to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import pada_here
from tests.versions.made import commit, edit, git

pytestmark = pytest.mark.runs


def history(folder: Path) -> list[dict[str, Any]]:
    done = pada_here("history", folder, "--state", folder / ".pada", "--json")
    assert done.code == 0, done.errors
    return [json.loads(line) for line in done.out.splitlines()]


def test_versions_have_their_tags_runs_and_scores(copied: Path) -> None:
    first = git(copied, "rev-parse", "HEAD")
    edit(copied / "recipe.yaml", "name: estimated", "name: estimated\nversion: 1.1.0")
    second = commit(copied, "second")
    (copied / "README.md").write_text("no matter of the recipe's", "utf-8")
    commit(copied, "third", "v1.1.0")
    new, old = history(copied)
    assert (new["commit"], new["version"], new["tags"], new["runs"]) == (
        second,
        "1.1.0",
        ["v1.1.0"],
        [],
    )
    assert (old["commit"], old["tags"], old["subject"]) == (first, ["v1.0"], "first")
    (run,) = old["runs"]
    assert (run["run"], run["status"], run["metric"]) == ("r0001", "done", "accuracy")
    for name in ("untuned", "plain", "chosen"):
        assert run[name]["low"] <= run[name]["value"] <= run[name]["high"]
    shown = pada_here("history", copied, "--state", copied / ".pada").out
    assert "v1.1.0" in shown
    assert f"{run['chosen']['value']:.3f} [" in shown


@pytest.mark.long
def test_runs_of_no_known_version_stand_last(copied: Path) -> None:
    shutil.rmtree(copied / ".git")
    (only,) = history(copied)
    assert only["commit"] is None
    assert [run["run"] for run in only["runs"]] == ["r0001"]
    git(copied, "init", "-q")
    assert [version["commit"] for version in history(copied)] == [None]
    head = commit(copied, "anew")
    assert [version["commit"] for version in history(copied)] == [head, None]


def test_a_recipe_without_runs_and_versions_says_so(copied: Path) -> None:
    shutil.rmtree(copied / ".git")
    shutil.rmtree(copied / ".pada")
    assert (
        "no versions and no runs yet"
        in pada_here("history", copied, "--state", copied / ".pada").out
    )
