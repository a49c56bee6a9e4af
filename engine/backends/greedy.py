"""Greedy answers in plain text, batch by batch: the most likely token at each step, until the row's turn ends.

What all prompts begin with is computed once, logits exist for one position a row, and a row whose turn
is over leaves its batch: on the embedded student 3.5 times the speed of transformers' `generate` behind
lm-evaluation-harness (tests/benchmarks/prediction.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from engine.backends.shared_prompt import SharedPrompt


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
    """
    import torch

    longest_first = sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), row))
    with torch.inference_mode():
        shared = SharedPrompt(model, prompts) if prompts else None
        for start in range(0, len(prompts), batch_size):
            rows = longest_first[start : start + batch_size]
            ended = torch.tensor(list(stops), device=model.device)
            batch = _Batch(shared, [prompts[row] for row in rows])
            said = batch.run(ended, max_tokens)
            yield [Turn(row, tokens) for row, tokens in zip(rows, said, strict=True)]


class _Batch:
    """The rows of a batch that still speak, as the tensors of the next pass."""

    def __init__(self, shared: Any, prompts: Sequence[Sequence[int]]) -> None:
        import torch

        self._model = shared.model
        self._cache = shared.cache(len(prompts))
        rest = [prompt[shared.length :] for prompt in prompts]
        width = max(map(len, rest))
        device = self._model.device
        # Padding stands between the shared beginning and a short prompt's rest; the mask hides it.
        ids = torch.zeros((len(rest), width), dtype=torch.long)
        mask = torch.ones((len(rest), shared.length + width), dtype=torch.long)
        for row, tokens in enumerate(rest):
            ids[row, width - len(tokens) :] = torch.tensor(list(tokens))
            mask[row, shared.length : shared.length + width - len(tokens)] = 0
        self._ids, self._mask = ids.to(device), mask.to(device)
        self._positions = (self._mask.cumsum(1) - 1)[:, shared.length :].clamp(min=0)
        self._rows = list(range(len(prompts)))

    def run(self, stops: Any, max_tokens: int) -> list[list[int]]:
        """Return each row's tokens up to a stop token."""
        import torch

        said: list[list[int]] = [[] for _ in self._rows]
        for _ in range(max_tokens):
            tokens = self._next()
            speaking = (~torch.isin(tokens, stops)).nonzero()[:, 0]
            if len(speaking) < len(self._rows):
                self._keep(speaking)
                tokens = tokens[speaking]
            if not self._rows:
                break
            for row, token in zip(self._rows, tokens.tolist(), strict=True):
                said[row].append(token)
            self._ids = tokens[:, None]
            self._positions = self._positions[:, -1:] + 1
            self._mask = torch.cat([self._mask, self._mask.new_ones((len(tokens), 1))], dim=1)
        return said

    def _next(self) -> Any:
        hidden = self._model.get_decoder()(
            input_ids=self._ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
        ).last_hidden_state
        # Contiguous: of a strided view torch multiplies each row with a copy of the output matrix.
        logits = self._model.get_output_embeddings()(hidden[:, -1].contiguous())
        return logits.argmax(-1)

    def _keep(self, speaking: Any) -> None:
        self._rows = [self._rows[row] for row in speaking.tolist()]
        self._cache.batch_select_indices(speaking)
        self._mask, self._positions = self._mask[speaking], self._positions[speaking]
