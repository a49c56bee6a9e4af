from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.backends.training import memory
from engine.backends.training.batches import Encoded, collate
from engine.backends.training.loop import completion_loss, load_student
from tests.backends import tiny

pytestmark = pytest.mark.models

ROWS = [Encoded((1, 14, 3 + n, 5, 2, 1, 16), (9 - n, 2)) for n in range(3)]
CPU = torch.device("cpu")


def student(folder: Path) -> Any:
    job = tiny.job(tiny.write_model(folder), folder / "out", dropout=0.5)
    return load_student(job, 16).train()


def loss_of(model: Any, rows: Sequence[Encoded]) -> torch.Tensor:
    return narrow_loss(model, collate(rows))


def narrow_loss(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the loss as a training takes it: adapters in float32 compute in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        return completion_loss(model, batch, "mean")


def gradients(model: Any) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    loss = narrow_loss(model, collate(ROWS, share=False))
    torch.autograd.backward(loss)
    return {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}


def test_checkpointing_is_switched_on_only_where_a_batch_would_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = student(tmp_path)
    expected = gradients(model)
    loss = partial(loss_of, model)
    linear, square = memory.activation_memory(model, ROWS[0], loss)
    lines, width = collate(ROWS)["input_ids"].shape
    free = lines * width * (linear + square * width) / memory.MEMORY_SHARE
    monkeypatch.setattr(memory, "free_memory", lambda _device: free * 1.01)
    assert not memory.checkpoint_if_needed(model, [ROWS[:1], ROWS], loss, CPU)
    assert not model.is_activation_checkpointing
    monkeypatch.setattr(memory, "free_memory", lambda _device: free * 0.99)
    assert memory.checkpoint_if_needed(model, [ROWS[:1], ROWS], loss, CPU)
    assert model.is_activation_checkpointing
    model.zero_grad()
    found = gradients(model)
    assert all(torch.equal(found[name], wanted) for name, wanted in expected.items())


def test_eager_attention_keeps_its_scores(tmp_path: Path) -> None:
    model = student(tmp_path)
    assert model.config._attn_implementation == "eager"
    state = torch.random.get_rng_state()
    linear, square = memory.activation_memory(model, ROWS[0], partial(loss_of, model))
    # Two layers, each keeps at least what it takes in, and 4 heads' scores, in bfloat16.
    assert linear > 2 * 32 * 2
    assert square >= 2 * 4 * 2
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(weight.grad is None for weight in model.parameters())
