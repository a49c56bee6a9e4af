"""A file is dropped, its questions are answered, the recipe is created: in Debian's Chromium, at two widths."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.studio.test_browser import WEB, looked_at, served
from tests.studio.test_start import TICKETS, valid, workbook

pytestmark = [pytest.mark.browser]
DRIVER = Path(__file__).with_name("start.mjs")


def test_a_file_becomes_a_recipe(tmp_path: Path) -> None:
    chromium, node = shutil.which("chromium"), shutil.which("node")
    assert chromium, "Debian's Chromium is needed: apt install chromium"
    assert node, "Node is needed: apt install nodejs npm"
    assert (WEB / "node_modules" / "playwright-core").is_dir(), f"run `npm ci` in {WEB} first"
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "Anfragen März.csv").write_bytes(TICKETS.encode("cp1252"))
    rows: list[list[Any]] = [["Requests of March"], [], ["No", "Text", "Team"]]
    rows += [[n, f"Please look at machine {n}", ("north", "south")[n % 2]] for n in range(50)]
    (tmp_path / "requests.xlsx").write_bytes(workbook(rows))
    turns = [[("user", f"Is Emma {n} in?"), ("assistant", f"Yes, {n}.")] for n in range(40)]
    lines = [{"messages": [{"role": r, "content": c} for r, c in one]} for one in turns]
    (tmp_path / "desk.jsonl").write_text("\n".join(map(json.dumps, lines)))
    files = [str(tmp_path / name) for name in ("Anfragen März.csv", "requests.xlsx", "desk.jsonl")]
    command = [sys.executable, "-m", "engine.cli", "studio", "--no-browser", str(project)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            done = subprocess.run(
                [node, str(DRIVER), str(WEB), chromium, url, json.dumps(files)],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    recipes = sorted(project.glob("recipes/*/recipe.yaml"))
    assert [one.parent.name for one in recipes] == [
        f"{name}{number}" for name in ("anfragen-marz", "desk", "requests") for number in ("", "-2")
    ]
    for one in recipes[::2]:
        valid(one)


def test_every_page_of_a_new_recipe(tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text(TICKETS, "utf-8")
    (tmp_path / "one.csv").write_text("a\n1\n", "utf-8")
    tickets = str(tmp_path / "tickets.csv")
    pages: list[dict[str, Any]] = [
        {"name": "new", "path": "new", "wait": ".drop"},
        {
            "name": "new-other",
            "path": "new",
            "click": ["summary >> nth=0", "summary >> nth=1"],
            "wait": ".recipes li",
            "full": True,
        },
        {"name": "new-asked", "path": "new", "file": tickets, "wait": "#recipe", "full": True},
        {
            "name": "new-shown",
            "path": "new",
            "file": tickets,
            "click": ["button:text-is('Show the recipe')"],
            "wait": "pre.long",
            "full": True,
        },
        {
            "name": "new-wrong",
            "path": "new",
            "file": str(tmp_path / "one.csv"),
            "wait": "[role=alert]",
            "alert": True,
        },
    ]
    (tmp_path / "project").mkdir()
    with served(tmp_path / "state", tmp_path / "project") as url:
        assert looked_at(url, pages) == []
