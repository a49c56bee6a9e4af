"""Weights that are damaged, or numbers too large for their format, give NaN: an answer made of it says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import ModelError

if TYPE_CHECKING:
    import torch


def require_finite(values: torch.Tensor) -> None:
    """Raise ModelError where a likelihood, or the logit of a chosen token, is no number or infinite."""
    if not values.isfinite().all():
        raise ModelError(
            "the model's likelihoods are not numbers (NaN or infinite): its answers would say nothing",
            "try `dtype: float32` at the model; if it stays so, its weights are damaged (fetch them again), or the"
            " fine-tune spoilt them (lower train.learning_rate)",
        )


def watched(processors: Any) -> Any:
    """Return transformers' logits processors with a look, before all others, at whether there are numbers at all."""
    from transformers import LogitsProcessorList

    return LogitsProcessorList([_look, *processors])


def _look(_: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    # The largest is NaN where any is; lesser ones may be minus infinity, which forbids a token.
    require_finite(logits.amax(-1))
    return logits
