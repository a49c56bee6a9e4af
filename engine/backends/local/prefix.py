"""The prefix that all prompts of a list share: found as tokens, computed once, its keys and values seen by all rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    Read = Callable[[torch.Tensor], list[tuple[torch.Tensor, torch.Tensor]]]
    """From tokens, shape (1, tokens), to their keys and values, a pair a layer."""


def common_prefix_length(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with; at least the last token of each is left."""
    first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
    longest = min(len(prompt) for prompt in prompts) - 1
    length = 0
    while length < longest and first[length] == last[length]:
        length += 1
    return length


def has_plain_attention(model: Any) -> bool:
    """Tell whether every layer is plain attention that takes positions and a mask: all it remembers is a list of keys.

    A recurrent or sliding layer would look past a mask that keeps rows or answers of one line apart.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    layers = DynamicCache(config=model.config).layers
    takes_positions = "position_ids" in inspect.signature(model.forward).parameters
    return takes_positions and all(type(layer) is DynamicLayer for layer in layers)


class SharedPrefix:
    """The shared prefix of some prompts as a model's keys and values; `length` is 0 where there is none.

    It is shared where all that a model remembers is a list of keys (`has_plain_attention`).
    """

    def __init__(
        self, model: Any, prompts: Sequence[Sequence[int]], read: Read | None = None
    ) -> None:
        """Compute the prefix of `prompts` (tokens, none empty) in one pass of one row, by `read` or by the model."""
        import torch

        self.model = model
        self.length = common_prefix_length(prompts) if has_plain_attention(model) else 0
        self.pairs: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Keys and values of each layer, shape (1, heads, length, width); none where nothing is shared."""
        if not self.length:
            return
        ids = torch.tensor([list(prompts[0][: self.length])], device=model.device)
        if read is not None:
            self.pairs = read(ids)
            return
        layers = model.get_decoder()(input_ids=ids, use_cache=True).past_key_values.layers
        self.pairs = [(layer.keys, layer.values) for layer in layers]

    def batch(self, prompts: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Return what the model takes for the rest of some prompts, which end at the right edge.

        Padding stands between the prefix and a short prompt's rest. The mask comes from lengths, never
        from the padding's token: any token will do.
        """
        import torch

        rests = [prompt[self.length :] for prompt in prompts]
        width = max(map(len, rests))
        ids = torch.zeros((len(rests), width), dtype=torch.long)
        mask = torch.ones((len(rests), self.length + width), dtype=torch.long)
        for row, tokens in enumerate(rests):
            ids[row, width - len(tokens) :] = torch.tensor(list(tokens))
            mask[row, self.length : self.length + width - len(tokens)] = 0
        positions = (mask.cumsum(1) - 1)[:, self.length :].clamp(min=0)
        batch = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        return {name: value.to(self.model.device) for name, value in batch.items()}

    def cache(self, rows: int) -> Any:
        """Return a cache for a batch; the prefix is repeated as a view, not copied."""
        from transformers import DynamicCache

        if not self.pairs:
            return DynamicCache(config=self.model.config)
        return DynamicCache(
            [
                (keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1))
                for keys, values in self.pairs
            ]
        )
