"""The forecast of `pada plan`: rates from the store's own nodes, text of 80 columns, the keys of --json."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from engine.cli.recipes import show_plan
from engine.errors import EngineError
from engine.plan.duration.rates import Rate, rates_of
from engine.report.foreseen.paces import samples
from engine.rows import Model, Prediction
from engine.store import Store
from tests.cli.terminal.test_help import documented
from tests.plan.test_validate import GOOD, write_good
from tests.store.small import AT, call, info, start


def planted(state: Path) -> Path:
    """Write a store whose nodes took 8 s for 4 predictions, 6 s for 3 calls, 90 s of training for 30 steps."""
    store = Store.open(state)
    with store.lock_run():
        run = start(store)
        answers = [
            Prediction(f"e{n}", "test", "card", "card", "ok", 0.1, "generation") for n in range(4)
        ]
        trained = Model("models/t/adapter", "w" * 64, "d", 60, 30, 4.0, 0.1, None, 30, 90.0)
        for node, seconds, rows in (
            (info("p", "predict"), 8, answers),
            (info("d", "diagnose"), 6, []),
            (info("t", "train"), 100, [trained]),
        ):
            took = node._replace(ended=AT + timedelta(seconds=seconds))
            store.write_node(run, took, rows, f"content-{node.id}")
        store.record_calls([call(number, run, "d") for number in range(3)])
        store.end_run(run, "done")
    return state


def test_rates_are_what_the_nodes_of_the_store_took(tmp_path: Path) -> None:
    found = rates_of(samples(planted(tmp_path)))
    assert found["predict", "row"] == Rate(1.0, 2.0, 4.0, 1)
    assert found["diagnose", "call"].middle == 2.0
    assert found["train", "step"].middle == 3.0, "of its steps, without what loading took"
    assert found["train", "node"].middle == 100.0


def test_a_plan_is_forecast_from_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, state = write_good(tmp_path), tmp_path / "state"
    show_plan(str(recipe), [], state, None, False, gpus="1,16", gpu_price=3.0)
    text = capsys.readouterr().out
    lines = text[text.index("forecast, ") :].splitlines()
    lines = lines[: 1 + next(n for n, line in enumerate(lines) if line.startswith("  assumed for"))]
    (chain,) = [line for line in lines if line.startswith("longest chain: ")]
    assert "seed-0/round-0: train → predict → score" in chain
    assert max(len(line) for line in lines if line is not chain) <= 80
    assert [line.split()[0] for line in lines[2:4]] == ["1", "16"]
    assert any("none is measured here yet" in line for line in lines)

    show_plan(str(recipe), [], state, None, False, gpus="2", gpu_price=3.0, as_json=True)
    assumed = json.loads(capsys.readouterr().out)
    assert set(assumed) == documented("pada plan RECIPE --json")
    assert {"train", "predict"} <= set(assumed["assumed"])
    low, middle, high = assumed["hours"]
    assert 0 < low < middle < high
    assert assumed["gpu_hours"] == pytest.approx([2 * low, 2 * middle, 2 * high])
    assert assumed["gpu_cost"] == pytest.approx([6 * low, 6 * middle, 6 * high])

    show_plan(str(recipe), [], planted(state), None, False, gpus="2", as_json=True)
    measured = json.loads(capsys.readouterr().out)
    assert measured["gpu_cost"] is None
    assert {"train", "predict", "diagnose"}.isdisjoint(measured["assumed"])
    assert measured["measured"] > 0
    assert measured["path"][0] == "load"
    show_plan(str(recipe), [], state, None, False, gpus="2", gpu_speed=1000.0, as_json=True)
    assert json.loads(capsys.readouterr().out)["hours"][1] < measured["hours"][1]


@pytest.mark.parametrize(
    "wrong", [{"gpus": "0"}, {"gpus": "many"}, {"gpu_price": -1.0}, {"gpu_speed": 0.0}]
)
def test_numbers_that_mean_nothing_are_told(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(EngineError, match="gpu"):
        show_plan(str(write_good(tmp_path, GOOD)), [], tmp_path / "state", None, False, **wrong)  # type: ignore[arg-type]
