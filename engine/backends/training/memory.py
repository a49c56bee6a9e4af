"""Gradient checkpointing where memory asks for it: what a forward pass keeps is measured on a short row.

With it each layer is computed a second time instead of keeping what it computed: the same weights to the
last bit, at about 1.4 times the time. So it is switched on only where the largest batch would not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psutil
import torch

from engine.backends.training.batches import Encoded, collate
from engine.backends.training.devices import any_of
from engine.system.platforms import most_resident

PROBES = (32, 96)
"""Tokens of the rows on which is measured: what is kept grows with the length, that of attention with its square."""
MEMORY_SHARE = 0.7
"""Of the free memory that kept values may fill; the rest is for gradients, logits and what else is at work."""


Loss = Callable[[Sequence[Encoded]], torch.Tensor]
"""The loss of some rows, as the training takes it."""


def checkpoint_if_needed(
    model: Any,
    batches: Sequence[Sequence[Encoded]],
    loss: Loss,
    device: torch.device,
    pack: bool = True,
) -> bool:
    """Switch gradient checkpointing on if the largest of `batches` would not fit; return whether that was done.

    `pack`: whether several rows may share a line (`collate`).
    """
    largest = max(batches, key=lambda rows: sum(row.length for row in rows))
    lines, width = collate(largest, pack)["input_ids"].shape
    linear, square = activation_memory(model, largest[0], loss)
    needed = lines * width * (linear + square * width)
    (tight,) = any_of([needed > MEMORY_SHARE * free_memory(device)], device)
    if not tight or not model.supports_gradient_checkpointing:
        return False
    # transformers before 5.23 has it under its older name only.
    newer = getattr(model, "activation_checkpointing_enable", None)
    (newer or model.gradient_checkpointing_enable)()
    return True


def activation_memory(model: Any, row: Encoded, loss: Loss) -> tuple[float, float]:
    """Return what the forward pass of a training keeps: bytes per token, and per token and token of its line."""
    short, long = PROBES
    less, more = (_kept_bytes(model, row, size, loss) / size for size in PROBES)
    square = max(0.0, (more - less) / (long - short))
    return less - square * short, square


def _kept_bytes(model: Any, row: Encoded, size: int, loss: Loss) -> int:
    tokens = row.prompt + row.completion
    tokens = (tokens * (size // len(tokens) + 1))[: size + 1]
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept: dict[int, int] = {}

    def note(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return value

    with (
        torch.random.fork_rng(),
        torch.autograd.graph.saved_tensors_hooks(note, lambda value: value),
    ):
        loss([Encoded(tokens[:-1], tokens[-1:])])
    return sum(kept.values())


def peak(device: torch.device) -> int:
    """Return the largest memory of this process so far, in bytes: on CUDA what torch took, else what was resident."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return most_resident()


def resident(device: torch.device) -> int:
    """Return the memory of this process now, in bytes, in the same terms as `peak`."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    return int(psutil.Process().memory_info().rss)


def free_memory(device: torch.device) -> int:
    """Return the bytes that are free where the training runs."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
