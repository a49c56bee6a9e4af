"""`pada plan` as people read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from engine.cli import planning
from engine.cli.recipes import show_plan
from engine.identity import Params
from engine.plan.explain import states
from engine.plan.graph import Node, Plan
from tests.plan.test_validate import GOOD, write_good


def test_nodes_that_wait_for_weights_are_one_line_that_names_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    none = {"version": 1, "params": {}, "prompts": {}, "inputs": {}, "models": {}}
    here = Node("load", "load", Params(), none, "f" * 32, {})
    asked = {**none, "models": {"student": ["unfetched:embedded/tiny", {}]}}
    waiting = [
        Node(f"untuned/{name}", name, Params(), asked, name * 9, {"load": "load"})
        for name in ("predict", "score")
    ]
    after = Node("seed-0/decide", "decide", Params(), none, "d" * 32, {"score": "untuned/score"})
    Console().print(planning._table(states(Plan([here, *waiting, after]), (), {})))
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3
    assert shown[1].startswith("load ")
    assert shown[2].startswith("3 nodes, untuned/predict to seed-0/decide  pending")
    assert shown[2].rstrip().endswith(": embedded/tiny")


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
