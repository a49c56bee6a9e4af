"""What the block `executor` of a recipe may say, and who works then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from engine.run.executors import Shared, open_executor
from engine.run.executors.here import Beside, InTurn
from engine.run.executors.processes import Processes, _environment
from engine.run.progress import Callback
from engine.spec.recipe import Executor
from engine.system import stopping


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"kind": "local", "address": "auto"}, "`address` is for `kind: ray`"),
        ({"kind": "serial", "slots": 2}, "one thing at a time"),
        ({"gpus": 2, "slots": 3}, "3 slots share 2 gpus"),
        ({"slots": 0}, "greater than or equal to 1"),
        ({"kind": "dask"}, "'local', 'serial' or 'ray'"),
        ({"workers": 2}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(block: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Executor.model_validate(block)


@pytest.mark.parametrize(
    ("block", "kind", "slots"),
    [
        ({}, Beside, 1),
        ({"slots": 1}, Beside, 1),
        ({"kind": "serial"}, InTurn, 1),
        ({"slots": 3}, Processes, 3),
        ({"threads": 1}, Processes, 1),
        ({"gpus": 4}, Processes, 4),
    ],
)
def test_without_a_reason_no_process_is_started(
    block: dict[str, Any], kind: type[object], slots: int, tmp_path: Path
) -> None:
    spec = Executor.model_validate(block)
    shared = Shared({}, {}, tmp_path)
    opened = open_executor(spec, shared, Callback(), lambda _: None, stopping.Stop())
    assert (type(opened), opened.slots) == (kind, slots)
    opened.close()


def test_each_slot_has_its_own_card_and_as_many_threads_as_the_recipe_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert [_environment(None, 2, n)["CUDA_VISIBLE_DEVICES"] for n in range(2)] == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,6")
    assert [_environment(None, 2, n)["CUDA_VISIBLE_DEVICES"] for n in range(2)] == ["3", "5"]
    assert _environment(None, None, 1)["CUDA_VISIBLE_DEVICES"] == "3,5,6"
    assert _environment(None, None, 0)["OMP_NUM_THREADS"] == "7"
    assert _environment(2, None, 0)["OMP_NUM_THREADS"] == "2"
