"""Review by keyboard alone, and versions, in Debian's Chromium.

By hand: `npm ci` in engine/studio/web, then `pytest -m browser`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.runs import rows
from tests.studio import reviewed
from tests.studio.reviewed import UNSEEN
from tests.studio.stores import HOSTILE
from tests.studio.test_browser import WEB, looked_at, served
from tests.versions.made import commit, edit, git

pytestmark = [pytest.mark.browser]
DRIVER = Path(__file__).with_name("reviewing.mjs")
SAID = "SELECT verdict, new_target, inputs, new_inputs FROM all_reviews ORDER BY made, id"


def test_rows_are_reviewed_by_keyboard_alone(
    reviewed_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = reviewed.copy(reviewed_project, tmp_path / "project")
    monkeypatch.chdir(folder)
    chromium, node = shutil.which("chromium"), shutil.which("node")
    assert chromium, "Debian's Chromium is needed: apt install chromium"
    assert node, "Node is needed: apt install nodejs npm"
    pictures = os.environ.get("STUDIO_PICTURES", "")
    with served(folder / ".pada") as url:
        done = subprocess.run(
            [node, str(DRIVER), str(WEB), chromium, url, pictures],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == [], told
    seen = told["seen"]
    assert seen["focus"] == "row-title"
    assert seen["labels"] == 200
    assert seen["held"].startswith("Row 5")
    assert seen["withoutKeys"].startswith("Row 2")
    slow = seen["slow"]
    assert slow.pop("held").startswith("Row 1")
    assert slow == {
        "theme": True, "typed": "st", "early": 0, "under": True, "marked": 0,
        "told": "Row 1: relabelled label_159.",
    }  # fmt: skip
    assert seen["marks"][:2] == ["[U+FEFF]", "[U+000D]"]
    assert "select" in seen["ended"]
    kept = rows(folder / ".pada", SAID)
    assert [row["verdict"] for row in kept] == [
        "accept", "reject", "edit", "relabel", "undo", "relabel", "accept", "relabel", "edit",
    ]  # fmt: skip
    texts = [json.loads(row["new_inputs"])["text"] if row["new_inputs"] else "" for row in kept]
    assert texts[2] == f"truly {json.loads(kept[2]['inputs'])['text']}"
    assert kept[5]["new_target"] == "label_160"
    assert texts[8] == f"{UNSEEN[0]}dark {UNSEEN[1:]}!"


def test_every_page_of_review_at_both_widths_and_themes(reviewed_project: Path) -> None:
    pages: list[dict[str, Any]] = [
        {
            "name": "review-list",
            "path": "review?view=list",
            "click": ["form .button.main"],
            "wait": "tbody td",
            "full": True,
        },
        {"name": "review", "path": "review", "wait": ".says", "full": True},
        {
            "name": "review-reject",
            "path": "review",
            "click": [".says [aria-keyshortcuts=r]"],
            "wait": ".why",
        },
        {
            "name": "review-edit",
            "path": "review?view=list&search=lairt",
            "click": ["tbody a", ".says [aria-keyshortcuts=e]"],
            "wait": ".edit .editor",
        },
        {
            "name": "review-labels",
            "path": "review",
            "click": [".says [aria-keyshortcuts=l]"],
            "wait": "#label-list",
        },
        {
            "name": "review-done",
            "path": "review",
            "click": [".says [aria-keyshortcuts=q]"],
            "wait": ".desk h3",
            "full": True,
        },
        {"name": "review-conflicts", "path": "review?queue=conflicts&resolve=yes"},
        {"name": "review-none", "path": "review?queue=suspect", "wait": ".empty"},
    ]
    with served(reviewed_project / ".pada") as url:
        assert looked_at(url, pages) == []


def test_every_page_of_versions_at_both_widths_and_themes(
    reviewed_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = reviewed.copy(reviewed_project, tmp_path / "project")
    monkeypatch.chdir(folder)
    first = git(folder, "rev-parse", "HEAD")
    git(folder, "mv", "recipe.yaml", "support.yaml")
    edit(folder / "support.yaml", "rows_per_round: 15", "rows_per_round: 14")
    commit(folder, f"{HOSTILE} \u202e أريد", "v1.1")
    edit(folder / "support.yaml", "name: estimated", "name: estimated\nversion: 1.2.0")
    pages: list[dict[str, Any]] = [
        {
            "name": "versions",
            "path": f"recipe/support.yaml/versions?before={first}&after=now",
            "wait": "section[aria-labelledby=differs] h3",
            "full": True,
        },
        {
            "name": "versions-run",
            "path": "recipe/support.yaml/versions?before=r0001&after=now",
            "wait": "section[aria-labelledby=differs] h3",
            "full": True,
        },
        {"name": "repository", "path": "versions", "wait": ".facts", "full": True},
    ]
    with served(folder / ".pada") as url:
        assert looked_at(url, pages) == []
