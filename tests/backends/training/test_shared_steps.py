"""Steps that are computed in parts: micro-batches in this process; several processes behind the marker `long`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from engine.backends.protocol import TrainingJob
from engine.backends.training import child, finetune, loop, memory
from engine.backends.training.batches import Encoded, collate
from engine.backends.training.devices import shares
from engine.backends.training.rounding import RoundedAdamW, rounded
from engine.errors import ModelError
from tests.backends import tiny
from tests.backends.training.here import losses, stop_here, train_here

pytestmark = pytest.mark.models

ROWS = [Encoded((1, 14, 3 + n, *[5] * n, 2), (9 - n, 2)) for n in range(7)]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_model(tmp_path_factory.mktemp("model"))


def wide(model: Path, output: Path, **changes: Any) -> TrainingJob:
    """Return a job in float32 without dropout, whose sums can be compared."""
    fields = {"dtype": "float32", "dropout": 0.0, "steps": 6, "batch_size": 6, **changes}
    return tiny.job(model, output, **fields)


@pytest.mark.parametrize(("devices", "micro"), [(1, 2), (2, None), (3, 2), (7, 1)])
def test_every_row_of_a_step_is_computed_once(devices: int, micro: int | None) -> None:
    shared = shares(ROWS, devices, micro)
    parts = [rows for share in shared for rows in share.parts]
    assert sorted(row for rows in parts for row in rows) == sorted(ROWS)
    assert len(shared) == devices
    assert all(share.parts and share.tokens == 14 for share in shared)
    assert max(map(len, parts)) <= (micro or len(ROWS))
    load = [sum(row.length for rows in share.parts for row in rows) for share in shared]
    assert max(load) - min(load) <= max(row.length for row in ROWS)


def weights(output: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(output / "adapter" / "adapter_model.safetensors"))


def assert_close(one: Path, other: Path) -> None:
    torch.testing.assert_close(losses(one), losses(other), rtol=1e-4, atol=1e-5)
    found, wanted = weights(one), weights(other)
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4)


def test_micro_batches_make_the_step_of_all_rows_at_once_and_go_on_with_the_same_bits(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_here(wide(model, tmp_path / "whole"))
    undisturbed = train_here(wide(model, tmp_path / "micro", micro_batch=2))
    assert_close(tmp_path / "micro", tmp_path / "whole")
    monkeypatch.setattr(finetune, "CHECKPOINT_SECONDS", 0.0)
    job = wide(model, tmp_path / "stopped", micro_batch=2)
    stop_here(job, 3)
    assert train_here(job).weights == undisturbed.weights


def test_what_is_new_in_a_job_leaves_no_trace_until_it_is_said(model: Path, tmp_path: Path) -> None:
    plain = finetune.job_hash(tiny.job(model, tmp_path))
    same = {"devices": 1, "micro_batch": None, "master": "float32", "attention": "auto"}
    assert finetune.job_hash(tiny.job(model, tmp_path, **same)) == plain
    for name, value in {
        "devices": 2,
        "micro_batch": 4,
        "master": "bfloat16",
        "attention": "plain",
    }.items():
        assert finetune.job_hash(tiny.job(model, tmp_path, **{name: value})) != plain


def test_rows_in_one_line_without_a_mask_do_not_see_each_other(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    # As for flash attention, by which rows are told apart by where positions begin again.
    student = AutoModelForCausalLM.from_pretrained(
        model, dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    alone = [loop.completion_loss(student, collate([row]), "sum").item() for row in ROWS]
    monkeypatch.setattr(loop, "uses_flash", lambda model: True)
    batch = collate(ROWS, flat=True)
    assert batch["input_ids"].shape == (1, sum(row.length - 1 for row in ROWS))
    assert loop._mask(student, batch["segments"]) is None
    assert loop.completion_loss(student, batch, "sum").item() == pytest.approx(sum(alone), rel=1e-5)


def test_flash_attention_is_taken_where_it_can_be_had_and_named_where_not(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    narrow = torch.bfloat16
    job = tiny.job(model, tmp_path, device="cuda")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: object() if name == "flash_attn" else found(name)
    )
    assert loop.takes_flash(job, narrow)
    assert not loop.takes_flash(job, torch.float32)
    assert not loop.takes_flash(tiny.job(model, tmp_path, device="cuda", attention="plain"), narrow)
    assert not loop.takes_flash(tiny.job(model, tmp_path), narrow)
    wanted = tiny.job(model, tmp_path, device="cuda", attention="flash")
    with pytest.raises(ModelError, match="takes weights in bfloat16"):
        loop.takes_flash(wanted, torch.float32)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="flash-attn is not installed"):
        loop.takes_flash(wanted, narrow)
    assert not loop.takes_flash(job, narrow)


@pytest.mark.parametrize(("key", "value"), [("method", "qlora"), ("attention", "flash")])
def test_what_needs_a_card_is_said_before_anything_is_loaded(
    model: Path, tmp_path: Path, key: str, value: str
) -> None:
    with pytest.raises(ModelError, match=f"{key} is {value}, and there is no CUDA device"):
        train_here(tiny.job(model, tmp_path, **{key: value}))
    assert not (tmp_path / "adapter").exists()


def test_rounding_at_random_keeps_the_mean_and_takes_a_neighbour() -> None:
    dice = torch.Generator()
    dice.manual_seed(1)
    value = torch.full((20_000,), 1.001)
    found = rounded(value, dice).float()
    assert set(found.tolist()) == {1.0, 1.0078125}
    assert found.mean().item() == pytest.approx(1.001, abs=2e-4)
    exact = torch.tensor([0.0, -1.5, 3.0])
    assert rounded(exact, dice).float().equal(exact)


def test_small_steps_in_bfloat16_are_not_lost() -> None:
    weight = torch.nn.Parameter(torch.ones(4096, dtype=torch.bfloat16))
    optimizer = RoundedAdamW([weight], lr=1e-4)
    for _ in range(20):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    # A plain step of this size, 1/40 of the distance to the next number, would leave all of them where they are.
    assert weight.float().mean().item() == pytest.approx(1 - 20e-4, abs=3e-4)


def test_full_fine_tuning_in_bfloat16_learns_and_goes_on_with_the_same_bits(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how: dict[str, Any] = {"method": "full", "master": "bfloat16", "steps": 12, "dropout": 0.0}
    undisturbed = train_here(tiny.job(model, tmp_path / "whole", **how))
    assert tiny.losses_fall(losses(tmp_path / "whole"))
    monkeypatch.setattr(finetune, "CHECKPOINT_SECONDS", 0.0)
    job = tiny.job(model, tmp_path / "stopped", **how)
    stop_here(job, 5)
    assert train_here(job).weights == undisturbed.weights


# Two processes, by torchrun: each loads torch, which takes seconds.


@pytest.mark.long
def test_two_devices_take_the_steps_of_one_with_twice_the_rows(model: Path, tmp_path: Path) -> None:
    best = {"checkpoint": "best", "validation": tiny.rows(5), "evaluations": 2}
    one = finetune.train(wide(model, tmp_path / "one", **best))
    for name, changes in {"two": {}, "parts": {"micro_batch": 1}}.items():
        found = finetune.train(wide(model, tmp_path / name, devices=2, **best, **changes))
        assert_close(tmp_path / name, tmp_path / "one")
        assert found.chosen_step == one.chosen_step
        assert found.validation_loss == pytest.approx(one.validation_loss, rel=1e-4)


_PARENT = """
import sys
from pathlib import Path
from engine.backends.training import finetune
from tests.backends.training.test_shared_steps import wide
finetune.CHECKPOINT_SECONDS = 0.0
model, output = map(Path, sys.argv[1:])
finetune.train(wide(model, output, devices=2, steps=40), lambda steps: print(steps, flush=True))
"""


@pytest.mark.long
def test_two_devices_killed_in_the_middle_end_with_the_same_bits_and_leave_nobody(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "CHECKPOINT_SECONDS", 0.0)
    undisturbed = finetune.train(wide(model, tmp_path / "whole", devices=2, steps=40))
    output = tmp_path / "killed"
    command = [sys.executable, "-c", _PARENT, str(model), str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) as run:
        assert run.stdout is not None
        assert run.stdout.readline()
        assert run.stdout.readline()
        children = psutil.Process(run.pid).children(recursive=True)
        assert len(children) >= 3
        run.send_signal(signal.SIGKILL)
    _, left = psutil.wait_procs(children, timeout=60)
    assert not left
    assert list((output / "checkpoints").glob("checkpoint-*/COMPLETE"))
    assert not (output / "adapter").exists()
    began = time.monotonic()
    seen: list[int] = []
    result = finetune.train(wide(model, output, devices=2, steps=40), seen.append)
    print(f"went on from step {seen[0]}, {time.monotonic() - began:.0f} s")
    assert seen[0] > 0
    assert losses(output) == losses(tmp_path / "whole")
    assert result.weights == undisturbed.weights


@pytest.mark.long
def test_what_goes_wrong_in_one_of_two_processes_is_told(model: Path, tmp_path: Path) -> None:
    long = tiny.rows(3)[0]._replace(completion="blue " * 90)
    with pytest.raises(ModelError, match=r"training row 4 of 4 has \d+ tokens"):
        finetune.train(wide(model, tmp_path, devices=2, rows=(*tiny.rows(3), long)))
    with pytest.raises(
        ModelError, match=r"train\.devices is 2, and this machine has 0 CUDA devices"
    ):
        finetune.train(wide(model, tmp_path, devices=2, device="auto"))


@pytest.mark.servers
def test_adapters_learn_on_a_base_in_four_bits(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU, where bitsandbytes has its kernels too, and the engine refuses it: nobody would wait for it."""
    bitsandbytes = pytest.importorskip("bitsandbytes")
    monkeypatch.setattr(child, "_require_card", lambda job: None)
    # In a pass outside of training its kernels for CPUs lay weights out anew, for good, and not for sizes this small.
    monkeypatch.setattr(memory, "checkpoint_if_needed", lambda *args: False)
    job = tiny.job(model, tmp_path, method="qlora", steps=24, dropout=0.0)
    loaded = loop.load_student(job, 16)
    four = [m for m in loaded.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(four) == 14  # seven linear layers in each of two blocks
    result = train_here(job)
    assert tiny.losses_fall(losses(tmp_path))
    assert {path.name for path in result.adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
