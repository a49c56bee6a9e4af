"""A round that breaks too much is rolled back: the loop goes on from the best one, without the rows that came since."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from engine.rows import RegressionSuite
from engine.stages import STAGES
from engine.stages.outputs import Guarded
from engine.stages.protocol import Context
from engine.stages.rounds.guard import GUARD, GuardInputs, GuardParams
from tests.e2e.runs import pada_here, rows
from tests.e2e.scripted_project import write_project

pytestmark = pytest.mark.runs


def test_the_next_round_is_trained_without_the_rows_of_the_one_that_was_rolled_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def guard(params: GuardParams, inputs: GuardInputs, ctx: Context) -> Guarded:
        found = GUARD.run(params, inputs, ctx)
        broken = replace(found.suite, regressed=ctx.round == 1)
        return Guarded((broken, *(r for r in found.rows if not isinstance(r, RegressionSuite))))

    # A scripted student breaks nothing by itself.
    patched = {**STAGES, "guard": replace(GUARD, run=guard)}
    monkeypatch.setattr(importlib.import_module("engine.run.execute"), "STAGES", patched)
    recipe = write_project(tmp_path / "project", ROUNDS="2", ROWS="4")
    text = recipe.read_text("utf-8")
    recipe.write_text(
        text.replace("control: false", "control: false, regressions: roll_back"), "utf-8"
    )
    state = tmp_path / "state"
    assert pada_here("run", recipe, "--state", state).code == 0
    decided = "SELECT round, go_on, best_round, rolled_back FROM decision WHERE metric = 'accuracy' ORDER BY round"
    assert [tuple(row.values()) for row in rows(state, decided)] == [
        (0, True, 0, False), (1, True, 0, True), (2, False, 0, False),
    ]  # fmt: skip
    trained = "SELECT round, made_in, count(*) AS n FROM training_rows GROUP BY ALL ORDER BY ALL"
    counts = {(row["round"], row["made_in"]): row["n"] for row in rows(state, trained)}
    assert counts.keys() == {(0, None), (1, 0), (1, None), (2, 1), (2, None)}
    models = {row["round"]: row["rows"] for row in rows(state, "SELECT round, rows FROM model")}
    assert models[1] == counts[1, None] + counts[1, 0]
    assert models[2] == counts[2, None] + counts[2, 1]
    kept_out = "SELECT count(*) AS n FROM \"drop\" WHERE stage = 'train' AND reason = 'rolled_back' AND round = 2"
    assert rows(state, kept_out) == [{"n": counts[1, 0]}]
