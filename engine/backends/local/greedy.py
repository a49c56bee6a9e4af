"""Greedy answers in plain text, batch by batch: the most likely token at each step, until the row's turn ends.

What all prompts begin with is computed once, logits exist for one position a row, and a row whose turn
is over leaves its batch; tests/benchmarks/prediction.py holds it against lm-evaluation-harness.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from engine.backends.local import fused
from engine.backends.local.finite import require_finite
from engine.backends.local.fused import FusedMemory
from engine.backends.local.prefix import SharedPrefix
from engine.backends.local.threads import balanced_batch_size, side_by_side
from engine.errors import ModelError

if TYPE_CHECKING:
    import torch


class Turn(NamedTuple):
    """The tokens of one answer, without the one that ends it."""

    row: int
    """Index of its prompt."""
    tokens: list[int]


def write(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stops: Sequence[int],
    max_tokens: int,
    batch_size: int,
) -> Iterator[list[Turn]]:
    """Yield the answers, batch by batch; batches are formed from the full list, longest prompts first.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        prompts: Tokens of each prompt, none empty.
        stops: Tokens that end a turn.
        max_tokens: Most tokens of a turn; a longer one is cut.
        batch_size: Most prompts in a batch.

    Raises:
        ModelError: the model cannot go on from what it has read, other than by transformers' `generate`; or its
            logits are no numbers.
    """
    import torch

    if not prompts:
        return
    if "past_key_values" not in inspect.signature(model.get_decoder().forward).parameters:
        raise ModelError(
            f"a student of the type '{model.config.model_type}' cannot write here: it keeps what it has read in a"
            " way of its own (no past_key_values)",
            "choose a student with attention layers, or serve it and name the server (backend: openai)",
        )
    longest_first = sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), row))
    with torch.inference_mode():
        fast = fused.of(model)
        shared = SharedPrefix(model, prompts, None if fast is None else fast.prefix)
    stop_tokens = torch.tensor(list(stops), device=model.device)
    # What fits one batch is not halved: reading the weights for each step takes longer there than working with them.
    few = len(prompts) <= batch_size
    size = batch_size if few else balanced_batch_size(len(prompts), batch_size, model)

    def work(rows: Sequence[int]) -> list[Turn]:
        with torch.inference_mode():
            batch = [prompts[row] for row in rows]
            most = max(map(len, batch)) + max_tokens
            memory: Memory = (
                ModelMemory(shared, len(rows))
                if fast is None
                else FusedMemory(fast, shared, len(rows), most)
            )
            turns = _Batch(memory, shared.batch(batch)).run(stop_tokens, max_tokens)
        return [Turn(row, tokens) for row, tokens in zip(rows, turns, strict=True)]

    batches = (longest_first[start : start + size] for start in range(0, len(prompts), size))
    yield from map(work, batches) if few else side_by_side(work, batches, model.device.type)


class Memory(Protocol):
    """What the rows of a batch have read, and the way to read on."""

    def read(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Read tokens of each row (`SharedPrefix.batch`); return the logits behind the last: (rows, vocabulary)."""
        ...

    def keep(self, rows: torch.Tensor) -> None:
        """Let the other rows go."""
        ...


class ModelMemory:
    """The memory of any model, read by its own forward pass."""

    def __init__(self, shared: SharedPrefix, rows: int) -> None:
        """Take what so many prompts share."""
        self._model, self._cache = shared.model, shared.cache(rows)

    def read(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Read tokens of each row; see `Memory`."""
        hidden = self._model.get_decoder()(
            **batch, past_key_values=self._cache, use_cache=True
        ).last_hidden_state
        # Contiguous: of a strided view torch multiplies each row with a copy of the output matrix. What some models
        # do behind their head (scale, cap) changes no order, so the head alone will do.
        logits: torch.Tensor = self._model.get_output_embeddings()(hidden[:, -1].contiguous())
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        """Let the other rows go."""
        # Made for beams, and the one way in which every kind of layer lets rows go.
        self._cache.reorder_cache(rows)


class _Batch:
    """The rows of a batch whose turns go on, as the tensors of the next pass."""

    def __init__(self, memory: Memory, inputs: dict[str, torch.Tensor]) -> None:
        self._memory, self._inputs = memory, inputs
        self._rows = list(range(len(inputs["input_ids"])))

    def run(self, stops: Any, max_tokens: int) -> list[list[int]]:
        """Return each row's tokens up to a stop token."""
        import torch

        turns: list[list[int]] = [[] for _ in self._rows]
        for _ in range(max_tokens):
            tokens = self._next()
            going_on = (~torch.isin(tokens, stops)).nonzero()[:, 0]
            if len(going_on) < len(self._rows):
                if not len(going_on):
                    break
                self._keep(going_on)
                tokens = tokens[going_on]
            for row, token in zip(self._rows, tokens.tolist(), strict=True):
                turns[row].append(token)
            mask = self._inputs["attention_mask"]
            self._inputs = {
                "input_ids": tokens[:, None],
                "attention_mask": torch.cat([mask, mask.new_ones((len(mask), 1))], dim=1),
                "position_ids": self._inputs["position_ids"][:, -1:] + 1,
            }
        return turns

    def _next(self) -> torch.Tensor:
        logits = self._memory.read(self._inputs)
        # On a CPU argmax alone takes ten times as long in bfloat16.
        largest, tokens = logits.max(-1)
        # NaN counts as the largest.
        require_finite(largest)
        return tokens

    def _keep(self, rows: torch.Tensor) -> None:
        self._rows = [self._rows[row] for row in rows.tolist()]
        self._memory.keep(rows)
        self._inputs = {name: value[rows] for name, value in self._inputs.items()}
