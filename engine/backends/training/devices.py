"""Several processes that train one student: who this one is, what they agree on, and which rows are whose.

`launch.py` starts them by torchrun; accelerate, below `Trainer`, adds their gradients up. In a training of one process
all of this is nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.distributed as dist

from engine.backends.training.batches import Encoded


class Share(NamedTuple):
    """What one process computes of an optimizer step."""

    parts: list[list[Encoded]]
    """Its rows, those together that are computed at once."""
    tokens: int
    """Completion tokens of the whole step, over all processes: the loss is their mean."""


def rank() -> int:
    """Return which of the processes this one is, from 0."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """Return how many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this process is the one that reports and writes files."""
    return rank() == 0


def join(device: str) -> None:
    """Meet the other processes; on CUDA this one takes its card."""
    if world() == 1 or dist.is_initialized():
        return
    if device != "cpu":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("gloo" if device == "cpu" else "nccl")


def meet() -> None:
    """Wait until all processes are here."""
    if dist.is_initialized():
        dist.barrier()


def any_of(said: Sequence[bool], device: torch.device) -> list[bool]:
    """Return for each question whether any process says yes: so all do the same."""
    if not dist.is_initialized():
        return list(said)
    told = torch.tensor([int(each) for each in said], device=device)
    dist.all_reduce(told, dist.ReduceOp.MAX)
    return [bool(each) for each in told.tolist()]


def total(values: Sequence[float], device: torch.device) -> list[float]:
    """Return the sums over all processes."""
    if not dist.is_initialized():
        return list(values)
    summed = torch.tensor(list(values), dtype=torch.float64, device=device)
    dist.all_reduce(summed)
    return [float(each) for each in summed.tolist()]


def shares(rows: Sequence[Encoded], devices: int, micro_batch: int | None) -> list[Share]:
    """Return each process's part of a step: about as many tokens for each, in parts of at most `micro_batch` rows.

    Every process has a row, where there are as many rows; rows that are computed together have similar lengths.
    """
    tokens = sum(len(row.completion) for row in rows)
    mine: list[list[Encoded]] = [[] for _ in range(devices)]
    load = [0] * devices
    for row in sorted(rows, key=lambda row: -row.length):
        lightest = load.index(min(load))
        mine[lightest].append(row)
        load[lightest] += row.length
    size = micro_batch or len(rows)
    return [
        Share([own[start : start + size] for start in range(0, len(own), size)], tokens)
        for own in mine
    ]
