"""What every training shares: batches in the seed's order, losses that are kept, checkpoints of all it depends on.

A mixin of transformers' `Trainer`. A checkpoint holds what is trained in the precision in which it is trained, and the
history so far; `Trainer` adds optimizer, schedule and random numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import SequentialSampler

from engine.errors import ModelError

_WEIGHTS = "trainable.safetensors"
_PROGRESS = "progress.json"


@dataclass
class History:
    """How a training has gone so far: what a checkpoint must remember besides weights, optimizer and random numbers."""

    losses: list[float] = field(default_factory=list)
    """Loss of every step: in nats per completion token, or of a pair."""
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    """Step and validation loss, in the order in which they were taken."""
    rewards: list[tuple[float, float]] = field(default_factory=list)
    """Of preferences, for every step: share of its pairs whose right answer had gained, and mean margin."""

    @property
    def best(self) -> tuple[int, float] | None:
        """The evaluation with the lowest loss; the earliest of equal ones."""
        return min(self.evaluations, key=lambda pair: (pair[1], pair[0]), default=None)


def trainable(model: Any) -> dict[str, torch.Tensor]:
    """Return the parameters that are trained, by name; these are the tensors themselves, no copies."""
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}


class Resumable:
    """Mixin of a `Trainer` over batches that are in order already."""

    history: History
    diverged: str
    """What to do where the loss is not finite."""
    model: Any
    state: Any
    args: Any
    train_dataset: Any

    def _get_train_sampler(self, train_dataset: Any = None) -> SequentialSampler:
        # The order of the batches is the seed's; a resumed training skips to its place without drawing again.
        return SequentialSampler(self.train_dataset)

    def floating_point_ops(self, inputs: Any) -> int:
        """Return 0: nobody reads the count, and taking it walks through all parameters at every step."""
        return 0

    def record(self, value: float) -> None:
        """Keep the loss of a step; raises ModelError when it is not finite."""
        if value - value != 0:  # neither infinite nor "not a number" minus itself is 0
            raise ModelError(
                f"the training diverged: the loss at step {self.state.global_step + 1} is {value}",
                self.diverged,
            )
        self.history.losses.append(value)

    def snapshot(self, path: Path) -> None:
        """Write what is trained, as it is now."""
        weights = {name: value.contiguous() for name, value in trainable(self.model).items()}
        save_file(weights, path)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write what is trained, in the precision in which it is trained, and the history so far."""
        if not self.args.should_save:  # of several processes the first writes for all
            return
        folder = Path(output_dir or self.args.output_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)
        self.snapshot(folder / _WEIGHTS)
        (folder / _PROGRESS).write_text(json.dumps(self.history.__dict__))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        folder = Path(resume_from_checkpoint)
        self.restore(folder / _WEIGHTS)
        kept = json.loads((folder / _PROGRESS).read_text())
        self.history = History(
            list(kept["losses"]),
            [(int(step), float(loss)) for step, loss in kept["evaluations"]],
            [(float(share), float(margin)) for share, margin in kept["rewards"]],
        )

    def restore(self, path: Path) -> None:
        """Copy the weights saved at `path` into the model."""
        weights = trainable(self.model)
        saved = load_file(path)
        with torch.no_grad():
            for name, value in saved.items():
                weights[name].copy_(value)
