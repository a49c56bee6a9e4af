"""A run in Chromium, from its plan to its end: started, watched, stopped, gone on with; the process is real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.run.watching import standing
from tests.e2e.runs import ROOT, pada_here, results
from tests.studio.test_browser import WEB
from tests.studio.test_running import write

pytestmark = [pytest.mark.browser]
DRIVER = Path(__file__).with_name("running.mjs")


def test_a_run_from_its_plan_to_its_end(tmp_path: Path) -> None:
    chromium, node = shutil.which("chromium"), shutil.which("node")
    assert chromium, "Debian's Chromium is needed: apt install chromium"
    assert node, "Node is needed: apt install nodejs npm"
    recipe, state = write(tmp_path / "project", 150), tmp_path / "project" / ".pada"
    straight = tmp_path / "straight"
    assert pada_here("run", recipe, "--state", straight, "--quiet").code == 0
    command = [sys.executable, "-m", "engine.cli", "studio", "--no-browser", str(recipe.parent)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            pictures = os.environ.get("STUDIO_PICTURES", "")
            done = subprocess.run(
                [node, str(DRIVER), str(WEB), chromium, url, pictures, "recipe.yaml"],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        finally:
            server.terminate()
            found = standing(state)
            if found.process is not None and found.process.lives:
                found.process.kill()
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["wrong"] == [], said
    seen = said["seen"]
    assert seen["planned"] > 20
    assert "pending" in seen["chosen"]
    assert "LLM calls" in seen["confirm"]
    assert seen["now"].startswith("running: ")
    assert seen["now"].endswith(", tiny")
    assert seen["stopped"].strip().startswith("It was stopped")
    assert (seen["done"] > 3, seen["runs"]) == (True, 1)
    assert results(state) == results(straight)
