"""What a fine-tune takes of memory, reckoned before anything is loaded: weights, gradients, optimizer, kept values.

What a forward pass keeps for the backward pass is that of decoders with gated feed-forward layers (Llama, Qwen,
Mistral, SmolLM, Gemma), counted in numbers of 2 bytes a token and layer: four of the feed-forward's width and nine of
the model's (a frozen base), or sixteen of the model's (weights in float32, whose norms keep what they read in float32).
It was held against what the embedded student keeps (docs/training.md). Knows no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

_ADAM = 2
"""Moments of AdamW, each a number for every weight that is trained."""
PACKED = 512
"""Tokens of rows that share a line, as `batches.py` packs them."""
_FOUR_BITS = 0.516
"""Bytes of a weight in NF4, with the scale of each 64 and the scale of these, quantized once more."""
_FROZEN, _TRAINED = 9, 16
"""Numbers of the model's width that a layer keeps."""
_FEED_FORWARD = 4
_SCORES = 6
"""Bytes of one attention score: eager attention keeps it twice in 16 bits and what is dropped or masked."""
_LOGIT = 10
"""Bytes of one logit: in 16 bits, in 32 bits, and its log-probability."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A model's size, as its configuration and the headers of its weights say it."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    vocabulary: int
    parameters: int
    linear: int
    """Those of its linear layers, embeddings and output layer apart."""
    adapters: int
    """Numbers of a LoRA adapter of rank 1 on all linear layers: their inputs and outputs."""


def shape_of(
    config: Mapping[str, Any], parameters: int, linear: int, adapters: int
) -> Shape | None:
    """Return a model's size from its `config.json`; None where that does not say it in the usual words."""
    told = config.get("text_config", config)
    names = (
        "num_hidden_layers",
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "vocab_size",
    )
    values = [told.get(name) for name in names]
    if not parameters or not all(isinstance(value, int) and value > 0 for value in values):
        return None
    layers, width, feed_forward, heads, vocabulary = values
    return Shape(layers, width, feed_forward, heads, vocabulary, parameters, linear, adapters)


class Work(NamedTuple):
    """How a fine-tune is done."""

    method: Literal["lora", "qlora", "full"]
    r: int
    dtype: Literal["bfloat16", "float32"]
    master: Literal["float32", "bfloat16"]
    tokens: int
    """That are computed at once on one device."""
    longest: int
    """Tokens of the longest line of them: eager attention keeps scores of all pairs."""
    answered: int
    """Tokens of the completions among them, for which there are logits."""
    eager: bool
    """Whether attention is eager: on a CPU, short rows."""


def line_of(tokens: int, longest: int) -> int:
    """Return the tokens of a line into which rows are packed: of so many tokens in all, and in the longest row."""
    return min(tokens, max(PACKED, longest))


class Footprint(NamedTuple):
    """Bytes on one device."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    """What a forward pass keeps."""
    checkpointed: int
    """The same with gradient checkpointing, which the training switches on by itself where memory is short."""

    @property
    def fixed(self) -> int:
        """What is there whatever the rows are."""
        return self.weights + self.gradients + self.optimizer

    @property
    def most(self) -> int:
        """All of it, nothing computed twice."""
        return self.fixed + self.activations

    @property
    def least(self) -> int:
        """All of it with gradient checkpointing."""
        return self.fixed + self.checkpointed


def footprint(shape: Shape, work: Work) -> Footprint:
    """Return what a fine-tune takes of one device's memory."""
    wide = 4 if work.dtype == "float32" else 2
    full = work.method == "full"
    if full:
        stored = 4 if work.master == "float32" else 2
        trained, weights = shape.parameters, shape.parameters * stored
    else:
        stored = 4  # adapters stay in float32
        trained = shape.adapters * work.r
        weights = round(_base(shape, work.method, wide)) + trained * stored
    # Under autocast weights in float32 are there in 16 bits, too.
    copies = trained * 2 if stored == 4 and work.dtype == "bfloat16" else 0
    layer = _layer(shape, work, wide, full and stored == 4)
    logits = work.answered * shape.vocabulary * _LOGIT
    inputs = work.tokens * shape.width * wide
    return Footprint(
        weights=weights,
        gradients=trained * stored,
        optimizer=trained * stored * _ADAM,
        activations=copies + shape.layers * layer + logits,
        checkpointed=copies + shape.layers * inputs + layer + logits,
    )


def _base(shape: Shape, method: str, wide: int) -> float:
    if method == "qlora":
        return shape.linear * _FOUR_BITS + (shape.parameters - shape.linear) * wide
    return shape.parameters * wide


def _layer(shape: Shape, work: Work, wide: int, in_float32: bool) -> int:
    """Return what one layer keeps."""
    widths = _TRAINED if in_float32 else _FROZEN
    numbers = _FEED_FORWARD * shape.feed_forward + widths * shape.width
    scores = _SCORES * wide // 2 * shape.heads * work.longest if work.eager else 0
    return work.tokens * (numbers * wide + scores)
