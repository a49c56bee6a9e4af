"""AdamW on weights in bfloat16 whose steps are rounded at random, so that small ones are not lost.

A step of full fine-tuning is often smaller than the distance of a weight to the next number in bfloat16: rounded to the
nearest, the weight would never move. Rounded up or down with the chances that keep its mean (stochastic rounding), it
moves as often as it should. Weights, gradients and both moments take 8 bytes a weight in place of 16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

PIECE = 1 << 20
"""Numbers that are stepped at once."""


class RoundedAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter 2017, arXiv 1711.05101) with weights and moments in bfloat16."""

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        seed: int = 0,
    ) -> None:
        """Take parameters or groups of them; `seed` decides, with the step, how is rounded: on each device alike."""
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)
        self._seed = seed

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; the closure is not called."""
        for group in self.param_groups:
            for number, weight in enumerate(group["params"]):
                if weight.grad is not None:
                    self._move(weight, weight.grad, group, number)

    def _move(
        self, weight: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any], number: int
    ) -> None:
        state = self.state[weight]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        state["step"] += 1
        dice = torch.Generator(device=weight.device)
        dice.manual_seed((self._seed * 1_000_003 + state["step"]) * 65_537 + number)
        kept = (weight, state["exp_avg"], state["exp_avg_sq"])
        # Piece by piece: all of an embedding in float32, several times, would take what bfloat16 saves.
        whole = [(*kept, gradient)]
        if weight.is_contiguous():
            flat = (*(one.view(-1) for one in kept), gradient.reshape(-1))
            whole = list(zip(*(one.split(PIECE) for one in flat), strict=True))
        for one, mean, square, slope in whole:
            _step(one, mean, square, slope, group, state["step"], dice)


def _step(
    weight: torch.Tensor,
    mean: torch.Tensor,
    square: torch.Tensor,
    gradient: torch.Tensor,
    group: dict[str, Any],
    step: int,
    dice: torch.Generator,
) -> None:
    first, second = group["betas"]
    slope = gradient.float()
    means = mean.float().lerp_(slope, 1 - first)
    squares = square.float().mul_(second).addcmul_(slope, slope, value=1 - second)
    root = (squares / (1 - second**step)).sqrt_().add_(group["eps"])
    moved = weight.float().mul_(1 - group["lr"] * group["weight_decay"])
    moved.addcdiv_(means, root, value=-group["lr"] / (1 - first**step))
    for place, value in ((weight, moved), (mean, means), (square, squares)):
        place.copy_(rounded(value, dice))


def rounded(value: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
    """Return float32 numbers in bfloat16, each one of its two neighbours, so that the mean is the number itself."""
    bits = value.contiguous().view(torch.int32)
    # bfloat16 is the upper half of float32: what the lower half carries over is as likely as it is large.
    noise = torch.randint(
        0, 1 << 16, value.shape, dtype=torch.int32, device=value.device, generator=dice
    )
    return ((bits + noise) & ~0xFFFF).view(torch.float32).to(torch.bfloat16)
