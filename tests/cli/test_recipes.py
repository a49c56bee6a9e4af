"""What commands about recipes print for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer

from engine.cli.recipes import show_validation
from tests.plan.test_validate import GOOD, write_good


def test_problems_are_one_json_object_per_line_and_errors_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("wrong", "good"):
        (tmp_path / name).mkdir()
    recipe = write_good(tmp_path / "wrong", GOOD.replace("macro_f1", "macro_f2"))
    with pytest.raises(typer.Exit) as ended:
        show_validation(str(recipe), [], as_json=True)
    assert ended.value.exit_code == 2
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (wrong,) = [problem for problem in found if problem["level"] == "error"]
    assert (wrong["file"], wrong["code"]) == (str(recipe), "unknown-metric")
    assert wrong["line"] > 1
    assert "macro_f1" in wrong["hint"]
    show_validation(str(write_good(tmp_path / "good", GOOD)), [], as_json=True)
    said = capsys.readouterr().out.splitlines()
    assert {json.loads(line)["level"] for line in said} <= {"warning"}
