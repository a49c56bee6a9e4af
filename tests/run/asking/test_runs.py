"""Whole runs whose stages ask: each request is built once, and a kill while it is asked costs nothing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import Request
from engine.plan.graph import Node
from engine.project import Project
from engine.run.asking.scratch import FILE
from engine.run.context import NodeContext
from tests.e2e.runs import ROOT, answered_twice, results, rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs

CHANGES: Mapping[str, Any] = {
    "METRICS": "[accuracy, {name: tone, judge: {rubric: Is it kind., scale: [1, 3]}}]",
    "PATTERNS": "{diagnose: 12, cluster: {k: 3}, confirm: 40, fund: [confirmed, weak, refuted]}",
    "ROWS": "4",
    "OVERSAMPLE": "3",
    "VERIFY": "{samples: 2, agreement: 0}",
}
STREAMED = {"rate", "diagnose", "confirm", "generate", "verify", "judge"}
KILLED = f"""
import os, sys
from pathlib import Path
from engine.backends.scripted import ScriptedGenerator
from engine.project import Project
complete = ScriptedGenerator.complete_many
def killed(self, *given):
    for number, group in enumerate(complete(self, *given)):
        yield group
        if number == 1 and Path(sys.argv[2], {FILE!r}).exists():
            os._exit(9)
ScriptedGenerator.complete_many = killed
Project.open(Path(sys.argv[1]), Path(sys.argv[2])).run()
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("asking") / "project", validation=60, **CHANGES)


@pytest.fixture(scope="module")
def undisturbed(recipe: Path) -> tuple[Path, Counter[str]]:
    """The state of a run, and how many requests were built in each stage."""
    state, built = recipe.parent.parent / "undisturbed", Counter[str]()
    made, request = NodeContext.__init__, NodeContext.request

    def begun(self: NodeContext, node: Node, *given: Any) -> None:
        made(self, node, *given)
        self.stage = node.stage  # type: ignore[attr-defined]

    def counted(self: NodeContext, *given: Any, **named: Any) -> Request:
        built[self.stage] += 1  # type: ignore[attr-defined]
        return request(self, *given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NodeContext, "__init__", begun)
        patch.setattr(NodeContext, "request", counted)
        assert Project.open(recipe, state).run().status == "done"
    return state, built


def test_each_request_is_built_once(undisturbed: tuple[Path, Counter[str]]) -> None:
    state, built = undisturbed
    used = rows(
        state,
        "SELECT n.stage, count(*) AS calls FROM node n JOIN"
        " (SELECT node, id FROM llm_call UNION SELECT node, call FROM call_use) c ON c.node = n.id GROUP BY 1",
    )
    calls = {row["stage"]: row["calls"] for row in used if row["stage"] in STREAMED}
    assert calls.keys() == STREAMED
    assert {stage: built[stage] for stage in STREAMED} == calls
    assert not (state / FILE).exists()


def test_killed_while_it_asks_a_run_goes_on_and_asks_nothing_twice(
    recipe: Path, undisturbed: tuple[Path, Counter[str]], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(recipe), str(tmp_path)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 9
    assert (tmp_path / FILE).exists()
    assert Project.open(recipe, tmp_path).run().status == "done"
    assert not (tmp_path / FILE).exists()
    assert results(tmp_path) == results(undisturbed[0])
    assert answered_twice(tmp_path) == []
