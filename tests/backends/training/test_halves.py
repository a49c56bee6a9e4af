from pathlib import Path
from typing import Any

import pytest
import torch

from engine.backends.training.batches import Encoded, collate
from engine.backends.training.halves import Halves, halved
from engine.backends.training.loop import completion_loss, load_student
from engine.backends.training.resumable import trainable
from tests.backends import tiny

pytestmark = pytest.mark.models

ROWS = [Encoded((1, 14, 3 + n, *[5] * n, 2), (9 - n, 2)) for n in range(5)]


def test_halves_hold_every_row_once_and_about_as_many_tokens() -> None:
    parts = halved(ROWS)
    assert sorted(row for part in parts for row in part) == sorted(ROWS)
    tokens = [sum(row.length for row in part) for part in parts]
    assert max(tokens) - min(tokens) <= max(row.length for row in ROWS)
    assert halved(ROWS[:1]) == [ROWS[:1]]


def _student(folder: Path) -> Any:
    job = tiny.job(tiny.write_model(folder), folder / "out", dtype="float32", dropout=0.0)
    model = load_student(job, 16).train()
    torch.manual_seed(3)
    for weight in trainable(model).values():
        weight.normal_(
            std=0.1
        )  # a fresh adapter's second half is all zeros, and so are half of the gradients
    return model


def _gradients(model: Any) -> list[torch.Tensor]:
    return [weight.grad.clone() for weight in model.parameters() if weight.requires_grad]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_two_halves_have_the_gradients_of_the_whole(tmp_path: Path, checkpointing: bool) -> None:
    model = _student(tmp_path)
    if checkpointing:
        model.gradient_checkpointing_enable()
    whole = completion_loss(model, collate(ROWS), "mean")
    torch.autograd.backward(whole)
    expected = _gradients(model)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    halves = Halves(weights)
    threads = torch.get_num_threads()
    parts = [collate(part) for part in halved(ROWS)]
    found = []
    for _ in range(3):
        model.zero_grad()
        loss = halves.step(parts, lambda part: completion_loss(model, dict(part), "sum"))
        found.append(_gradients(model))
        assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    for ours, theirs in zip(found[0], expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert any(gradient.abs().max() > 1e-3 for gradient in found[0])
    for again in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(again, found[0], strict=True))
    assert torch.get_num_threads() == threads


def test_a_fault_in_a_half_is_raised_where_the_step_is_taken(tmp_path: Path) -> None:
    halves = Halves([])

    def broken(part: Any) -> torch.Tensor:
        raise RuntimeError("not enough memory")

    with pytest.raises(RuntimeError, match="not enough memory"):
        halves.step([collate(ROWS[:1]), collate(ROWS[1:])], broken)
