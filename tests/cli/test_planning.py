"""`pada plan` as people read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.recipes import show_plan
from tests.plan.test_validate import GOOD, write_good


def test_a_plan_that_asks_no_llm_says_so_and_promises_no_range(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_good(tmp_path)
    show_plan(str(recipe), [], tmp_path / "state", None, False)
    shown = capsys.readouterr().out
    assert "so the range is wide" in shown
    assert "is sent nothing" not in shown
    recipe.write_text(f"{GOOD}\nloop: {{method: vanilla}}\n", "utf-8")
    show_plan(str(recipe), [], tmp_path / "state", None, False)
    shown = capsys.readouterr().out
    assert "estimate: 0 LLM calls, 0 tokens, " in shown
    assert "so the range is wide" not in shown
    assert shown.count(" is sent nothing\n") == 3
