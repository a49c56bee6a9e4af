from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from engine import gate
from engine.project import Project
from tests.versions.made import git, repository


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose recipe was run once; not to be changed."""
    folder = tmp_path_factory.mktemp("ran") / "project"
    recipe = repository(folder)
    git(
        folder,
        "remote",
        "add",
        "origin",
        "https://me:secret-token@example.org/team/recipes.git?x=1",
    )
    assert Project.open(recipe, folder / ".pada").run().status == "done"
    return folder


@pytest.fixture
def copied(ran: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed; the run says that it was made there."""
    folder = tmp_path / "project"
    shutil.copytree(ran, folder)
    gate.trust_state(folder / ".pada")
    with duckdb.connect(str(folder / ".pada" / "store.duckdb")) as connection:
        connection.execute("UPDATE provenance SET project = ?", [str(folder)])
    return folder
