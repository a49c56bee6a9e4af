"""A project whose rows wait for people: run once without a model, among them rows with characters that nobody sees."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb

from engine.gate import trust_state
from engine.project import Project
from engine.studio.settings import Settings
from tests.e2e.test_mining import pool_of
from tests.e2e.test_mining import project as mining_project
from tests.studio.conftest import Studio, opened
from tests.studio.stores import HOSTILE
from tests.versions.made import commit, git

UNSEEN = "\ufeffcolour\r\nbrook \u202elairt\u200b\tmeadow\r\nend  "
"""A mark of byte order, line breaks of Windows, a word turned around, a space without width, spaces at the end."""
LABELS = ["colour", "number", *(f"label_{number:03d}" for number in range(196)), HOSTILE, "تغيير"]
"""200 of them."""


def project(folder: Path) -> Path:
    """Run a project of 17 nodes; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = mining_project(folder, "{label: column, by: [diverse]}")
    pool = pool_of(folder)[:12]
    pool += [
        {"text": UNSEEN, "kind": "colour"},
        {"text": f"number {HOSTILE} heron", "kind": "number"},
        {"text": "number أريد إلغاء طلبي 👩‍👩‍👧‍👦 fern", "kind": "number"},
    ]
    (folder / "pool.jsonl").write_text("".join(json.dumps(one) + "\n" for one in pool), "utf-8")
    text = recipe.read_text("utf-8").replace("loop: {", "loop: {method: random, ")
    text = text.replace("target: kind}", f"target: kind, labels: {json.dumps(LABELS)}}}")
    text = text.replace("rows_per_round: 12", "rows_per_round: 15")
    recipe.write_text(text, "utf-8")
    (folder / "pada.yaml").write_text("project: 1\nname: mine\n", "utf-8")
    (folder / ".gitignore").write_text(".pada\n", "utf-8")
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "first", "v1.0")
    assert Project.open(recipe, folder / ".pada").run().status == "done"
    return folder


def copy(made: Path, folder: Path) -> Path:
    """Return a copy of such a project, to be changed."""
    shutil.copytree(made, folder)
    trust_state(folder / ".pada")
    with duckdb.connect(str(folder / ".pada" / "store.duckdb")) as connection:
        connection.execute("UPDATE provenance SET project = ?", [str(folder)])
        connection.execute("UPDATE recipe SET path = ?", [str(folder / "recipe.yaml")])
    return folder


def studio_of(folder: Path, *, read_only: bool = False) -> Studio:
    """Return a studio over such a project."""
    return opened(Settings(folder / ".pada", folder, read_only))
