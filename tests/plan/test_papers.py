"""Recipes of papers: valid with rows of the right form, and planned where their weights are not at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine import models
from engine.plan.explain import AFTER_DOWNLOAD
from engine.project import Project
from engine.spec.package_data import shipped

PAPERS = sorted((shipped("recipes") / "papers").glob("*.yaml"))


def write_rows(folder: Path) -> Path:
    for split, count in (("train", 420), ("test", 5)):
        lines = [
            json.dumps(
                {"question": f"What is {i} + {len(split)}?", "answer": f"#### {i + len(split)}"}
            )
            for i in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    return folder


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.stem)
def test_it_is_valid_and_pending_until_its_weights_are_there(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "locate", lambda *_: None)
    project = Project.open(paper, tmp_path / "state", {"data": str(write_rows(tmp_path))})
    # All that is missing are keys.
    assert {problem.code for problem in project.validate()} <= {"key"}
    states = {one.node.name: (one.state, one.because) for one in project.plan().states}
    assert states.pop("load") == ("pending", "")
    assert set(states.values()) == {("pending", AFTER_DOWNLOAD)}
