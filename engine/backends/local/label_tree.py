"""Allowed answers as a tree of tokens, scored in two forward passes per batch: the prompts, then the tree.

The tokens of all labels, shared beginnings merged, stand behind the prompt in a few lines; an
attention mask lets each token see the prompt and its own ancestors only. What all prompts begin
with is computed once. A model whose layers no such mask can hold apart (sliding windows, recurrent
layers) reads each label behind its prompt in a row of its own: slower, and right.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from engine.backends.local.finite import require_finite
from engine.backends.local.prefix import SharedPrefix, has_plain_attention
from engine.backends.local.threads import balanced_batch_size, side_by_side

if TYPE_CHECKING:
    import torch

TOKENS_PER_BATCH = 4096
"""Most tokens (prompt and tree) in one forward pass: bounds memory when there are many labels."""
LINE = 128
"""Tokens of the tree that share a line: each attends to all of it, seen or not, so lines are short."""
POSITIONS_PER_HEAD = 64
"""Positions whose logits are computed at once on a CPU: vocabulary × this is the largest matrix there is.

While it stays in the processor's cache, the whole head takes half the time that it takes with 1024."""
POSITIONS_PER_HEAD_GPU = 1024
"""The same on a GPU."""


@dataclass(frozen=True, slots=True)
class LabelTree:
    """The labels' tokens, each node once; node 0 is the end of the prompt and no token of its own."""

    tokens: tuple[int, ...]
    """Token of node i + 1."""
    parents: tuple[int, ...]
    """Parent node of node i + 1."""
    edges: tuple[tuple[int, int], ...]
    """What is scored: (node, next token); one per node, and one for each label's end."""
    paths: tuple[tuple[int, ...], ...]
    """For each label the edges whose log-probabilities add up to the label's."""

    @property
    def depths(self) -> list[int]:
        """Distance of each node (without node 0) from the end of the prompt, from 1."""
        depths = [0]
        for parent in self.parents:
            depths.append(depths[parent] + 1)
        return depths[1:]

    def lines(self) -> list[list[int]]:
        """Return the nodes (from 1, in order of index) of each line: whole subtrees, spread evenly."""
        roots = list(range(len(self.tokens) + 1))
        for node, parent in enumerate(self.parents, start=1):
            if parent:
                roots[node] = roots[parent]
        subtrees: dict[int, list[int]] = {}
        for node in range(1, len(roots)):
            subtrees.setdefault(roots[node], []).append(node)
        lines: list[list[int]] = [[] for _ in range(math.ceil(len(self.tokens) / LINE))]
        for subtree in sorted(subtrees.values(), key=len, reverse=True):
            min(lines, key=len).extend(subtree)
        return [sorted(line) for line in lines if line]


def build(labels: Sequence[Sequence[int]], end: int) -> LabelTree:
    """Return the tree of labels given as tokens; each label is followed by the turn's `end` token."""
    nodes: dict[tuple[int, ...], int] = {(): 0}
    tokens: list[int] = []
    parents: list[int] = []
    edges: list[tuple[int, int]] = []
    edge_of: dict[tuple[int, int], int] = {}

    def edge(node: int, token: int) -> int:
        if (node, token) not in edge_of:
            edge_of[node, token] = len(edges)
            edges.append((node, token))
        return edge_of[node, token]

    paths = []
    for label in labels:
        path = []
        for depth, token in enumerate(label):
            parent = nodes[tuple(label[:depth])]
            path.append(edge(parent, token))
            name = tuple(label[: depth + 1])
            if name not in nodes:
                tokens.append(token)
                parents.append(parent)
                nodes[name] = len(tokens)
        path.append(edge(nodes[tuple(label)], end))
        paths.append(tuple(path))
    return LabelTree(tuple(tokens), tuple(parents), tuple(edges), tuple(paths))


def score(
    model: Any, prompts: Sequence[Sequence[int]], tree: LabelTree, batch_size: int
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield, batch by batch, which prompts were scored and their labels' log-likelihoods.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        prompts: Tokens of each prompt, none empty.
        tree: The labels.
        batch_size: Most prompts in a batch; batches are formed from the full list, longest first.

    Yields:
        Indices into `prompts`, and float32 log-likelihoods in nats, shape (indices, labels).

    Raises:
        ModelError: a likelihood is no finite number.
    """
    import torch

    longest_first = sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), row))
    with torch.inference_mode():
        head = _head(model)
        if not has_plain_attention(model):
            yield from _score_separately(model, head, prompts, tree, batch_size, longest_first)
            return
        shared = SharedPrefix(model, prompts)
        lines = _Lines(tree, model)
    batches: list[list[int]] = []
    largest = balanced_batch_size(len(prompts), batch_size, model)
    while (start := sum(map(len, batches))) < len(prompts):
        width = len(prompts[longest_first[start]]) - shared.length + len(tree.tokens)
        size = max(1, min(largest, TOKENS_PER_BATCH // width))
        batches.append(longest_first[start : start + size])

    def work(rows: list[int]) -> tuple[list[int], torch.Tensor]:
        with torch.inference_mode():
            hidden = lines.run(shared, [prompts[row] for row in rows])
            return rows, _sum_paths(_edge_log_probabilities(head, hidden, tree), tree)

    yield from side_by_side(work, batches, model.device.type)


class _Lines:
    """The tree's tokens as lines, the same behind every prompt."""

    def __init__(self, tree: LabelTree, model: Any) -> None:
        import torch

        lines = tree.lines()
        width = max(map(len, lines), default=0)
        shape = (len(lines), width)
        self._model = model
        self._ids = torch.zeros(shape, dtype=torch.long)
        self._depths = torch.ones(shape, dtype=torch.long)
        self._sees = torch.zeros((*shape, width), dtype=torch.bool)
        self._place = torch.zeros(len(tree.tokens), dtype=torch.long)
        depths = tree.depths
        for number, line in enumerate(lines):
            at = {node: place for place, node in enumerate(line)}
            for node, place in at.items():
                parent = tree.parents[node - 1]
                if parent:
                    self._sees[number, place] = self._sees[number, at[parent]]
                self._sees[number, place, place] = True
                self._ids[number, place] = tree.tokens[node - 1]
                self._depths[number, place] = depths[node - 1]
                self._place[node - 1] = number * width + place

    def run(self, shared: SharedPrefix, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Return the last layer's output at each node behind each prompt, shape (prompts, nodes, size)."""
        import torch

        model, rows, lines = self._model, len(prompts), len(self._ids)
        batch = shared.batch(prompts)
        cache = shared.cache(rows)
        ends: torch.Tensor = model.get_decoder()(
            **batch, past_key_values=cache, use_cache=True
        ).last_hidden_state[:, -1:]
        if not lines:
            return ends
        cache.batch_repeat_interleave(lines)
        mask = batch["attention_mask"].bool().repeat_interleave(lines, dim=0)
        width = self._ids.shape[1]
        sees = torch.cat(
            [
                mask[:, None].expand(-1, width, -1),
                self._sees.to(model.device).repeat(rows, 1, 1),
            ],
            dim=-1,
        )
        hidden = model.get_decoder()(
            input_ids=self._ids.to(model.device).repeat(rows, 1),
            attention_mask=torch.zeros(
                sees.shape, dtype=model.dtype, device=model.device
            ).masked_fill_(~sees, torch.finfo(model.dtype).min)[:, None],
            position_ids=mask.sum(1, keepdim=True)
            - 1
            + self._depths.to(model.device).repeat(rows, 1),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        nodes: torch.Tensor = hidden.view(rows, lines * width, -1)[:, self._place.to(model.device)]
        return torch.cat([ends, nodes], dim=1)


def _score_separately(
    model: Any,
    head: Any,
    prompts: Sequence[Sequence[int]],
    tree: LabelTree,
    batch_size: int,
    order: Sequence[int],
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Do what `score` does, each label behind its prompt in a row of its own; prompts come in `order`."""
    import torch

    labels = [[tree.edges[edge][1] for edge in path] for path in tree.paths]
    longest = max(map(len, labels))
    start = 0
    while start < len(order):
        size = max(1, min(batch_size, TOKENS_PER_BATCH // (len(prompts[order[start]]) + longest)))
        rows = list(order[start : start + max(1, size // len(labels))])
        pairs = [(prompts[row], label) for row in rows for label in labels]
        scores: list[torch.Tensor] = []
        for first in range(0, len(pairs), size):
            scores += _label_log_likelihoods(model, head, pairs[first : first + size])
        yield rows, torch.stack(scores).view(len(rows), len(labels)).cpu()
        start += len(rows)


def _label_log_likelihoods(
    model: Any, head: Any, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> list[torch.Tensor]:
    """Return the log-likelihood of each label (end token included) behind its prompt."""
    import torch

    # What fills a row stands behind all that counts in it, where no token sees it: neither mask nor positions.
    width = max(len(prompt) + len(label) for prompt, label in pairs) - 1
    ids = torch.zeros((len(pairs), width)).long()
    for row, (prompt, label) in enumerate(pairs):
        tokens = [*prompt, *label[:-1]]
        ids[row, : len(tokens)] = torch.tensor(tokens)
    hidden = model.get_decoder()(input_ids=ids.to(model.device), use_cache=False).last_hidden_state
    before = [hidden[row, len(p) - 1 :][: len(label)] for row, (p, label) in enumerate(pairs)]
    following = torch.tensor([token for _, label in pairs for token in label], device=model.device)
    log_probabilities = _log_probabilities(
        head, torch.cat(before), torch.arange(len(following), device=model.device), following
    )
    ends = [0, *accumulate(len(label) for _, label in pairs)]
    return [log_probabilities[first:end].sum() for first, end in pairwise(ends)]


def _head(model: Any) -> Any:
    """Return a function from the last layer's output, shape (positions, width), to the model's own logits.

    It is the model's own forward pass behind its decoder: many scale or cap what their output matrix gives (Granite,
    Cohere, Gemma 2), which changes likelihoods.
    """
    from transformers.modeling_outputs import BaseModelOutputWithPast

    class DecoderOutput(BaseModelOutputWithPast):  # type: ignore[misc, unused-ignore]
        def __getattr__(self, _: str) -> None:
            """Nothing else was computed, whatever this kind of model has besides."""

    decoder = copy.copy(model.get_decoder())
    decoder.forward = lambda *_, inputs_embeds, **__: DecoderOutput(last_hidden_state=inputs_embeds)
    shared: dict[int, Any] = {
        id(tensor): tensor for tensor in [*model.parameters(), *model.buffers()]
    }
    head = copy.deepcopy(model, {**shared, id(model.get_decoder()): decoder})
    return lambda hidden: head(inputs_embeds=hidden[None], use_cache=False).logits[0]


def _edge_log_probabilities(head: Any, hidden: torch.Tensor, tree: LabelTree) -> torch.Tensor:
    """Return log p(token | node) of every edge: shape (rows, edges); `hidden` is (rows, nodes, width)."""
    import torch

    device = hidden.device
    nodes, tokens = torch.tensor(tree.edges, device=device).unbind(1)
    by_node = nodes.argsort(stable=True)
    rows = torch.arange(len(hidden), device=device)
    # Positions are taken in the order in which they lie in memory; so are the edges that start there.
    starts = (rows[:, None] * hidden.shape[1] + nodes[by_node]).flatten()
    ascending = _log_probabilities(
        head, hidden.flatten(0, 1), starts, tokens[by_node].repeat(len(hidden))
    )
    scores = torch.empty((len(hidden), len(nodes)), device=device)
    scores[:, by_node] = ascending.view(len(hidden), -1)
    return scores


def _log_probabilities(
    head: Any, hidden: torch.Tensor, places: torch.Tensor, following: torch.Tensor
) -> torch.Tensor:
    """Return log p(`following`) behind those of the `hidden` positions whose indices are `places`, which ascend."""
    import torch

    device = hidden.device
    step = POSITIONS_PER_HEAD if device.type == "cpu" else POSITIONS_PER_HEAD_GPU
    parts = []
    for start in range(0, len(hidden), step):
        log_probabilities = head(hidden[start : start + step]).float().log_softmax(-1)
        first, after = torch.searchsorted(
            places, torch.tensor([start, start + step], device=device)
        )
        parts.append(log_probabilities[places[first:after] - start, following[first:after]])
    found = torch.cat(parts)
    require_finite(found)
    return found


def _sum_paths(edges: torch.Tensor, tree: LabelTree) -> torch.Tensor:
    import torch

    return torch.stack([edges[:, list(path)].sum(-1) for path in tree.paths], dim=1).cpu()
