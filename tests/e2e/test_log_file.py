"""The log of a whole run: which step, how many rows, how long, and what went wrong with calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.runs import pada_here
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.long


def test_each_step_of_a_run_has_a_line(tmp_path: Path) -> None:
    recipe, file = write_project(tmp_path), tmp_path / "log"
    text = recipe.read_text("utf-8")
    recipe.write_text(
        text.replace("loop: {", "loop: {method: vanilla, ").replace("rounds: 1, ", ""), "utf-8"
    )
    ended = pada_here(
        "run",
        recipe,
        "--state",
        tmp_path / ".pada",
        "--quiet",
        "--log-file",
        file,
        "--log-level",
        "debug",
    )
    assert ended.code == 0, ended.errors
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    steps = {line["stage"]: line for line in lines if "rows" in line}
    assert {"load", "untuned/predict", "seed-0/round-0/train", "seed-0/round-0/score"} <= set(steps)
    assert (steps["load"]["level"], steps["load"]["run"], steps["load"]["rows"]) == (
        "info",
        "r0001",
        72,
    )
    assert [line["what"] for line in lines][-2:] == ["run done", "pada ends"]
    assert any(line["level"] == "debug" and line.get("total") == 72 for line in lines)
