"""Allowed answers as a tree of tokens, scored in one forward pass per batch.

The tokens of all labels, shared beginnings merged, stand behind the prompt in one sequence; an
attention mask lets each token see the prompt and its own ancestors only. What all prompts begin
with is computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.backends.shared_prompt import SharedPrompt

if TYPE_CHECKING:
    import torch

TOKENS_PER_BATCH = 4096
"""Most tokens (prompt and tree) in one forward pass: bounds memory when there are many labels."""
POSITIONS_PER_HEAD = 1024
"""Positions whose logits are computed at once: vocabulary × this is the largest matrix there is."""


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
        found = [0]
        for parent in self.parents:
            found.append(found[parent] + 1)
        return found[1:]

    def ancestors(self) -> list[list[bool]]:
        """Return for each node (row) which nodes (column) it sees: its ancestors and itself."""
        size = len(self.tokens)
        seen = [[False] * size for _ in range(size)]
        for node, parent in enumerate(self.parents):
            if parent:
                seen[node] = list(seen[parent - 1])
            seen[node][node] = True
        return seen


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
    """
    import torch

    longest_first = sorted(range(len(prompts)), key=lambda row: (-len(prompts[row]), row))
    with torch.inference_mode():
        shared = SharedPrompt(model, prompts)
        start = 0
        while start < len(longest_first):
            width = len(prompts[longest_first[start]]) - shared.length + len(tree.tokens)
            size = max(1, min(batch_size, TOKENS_PER_BATCH // width))
            rows = longest_first[start : start + size]
            yield rows, _score_batch(shared, [prompts[row][shared.length :] for row in rows], tree)
            start += size


def _score_batch(
    shared: SharedPrompt, suffixes: Sequence[Sequence[int]], tree: LabelTree
) -> torch.Tensor:
    import torch

    model = shared.model
    device = model.device
    lengths = torch.tensor([len(suffix) for suffix in suffixes], device=device)
    width = int(lengths.max())
    size = len(tree.tokens)
    # Padding stands between a short prompt and the tree; the mask hides it, so any token will do.
    ids = torch.zeros((len(suffixes), width + size), dtype=torch.long)
    for row, suffix in enumerate(suffixes):
        ids[row, : len(suffix)] = torch.tensor(list(suffix))
    ids[:, width:] = torch.tensor(tree.tokens, dtype=torch.long)
    depths = torch.tensor(tree.depths, device=device, dtype=torch.long)
    positions = torch.cat(
        [
            torch.arange(width, device=device).expand(len(suffixes), -1),
            lengths[:, None] - 1 + depths,
        ],
        dim=1,
    )
    hidden = model.get_decoder()(
        input_ids=ids.to(device),
        attention_mask=_mask(shared, lengths, width, tree, model.dtype),
        position_ids=positions + shared.length,
        past_key_values=shared.cache(len(suffixes)),
        use_cache=True,
    ).last_hidden_state
    rows = torch.arange(len(suffixes), device=device)
    ends = hidden[rows, lengths - 1]
    needed = torch.cat([ends[:, None], hidden[:, width:]], dim=1)
    return _add_up(_edge_scores(model, needed, tree), tree)


def _mask(
    shared: SharedPrompt, lengths: torch.Tensor, width: int, tree: LabelTree, dtype: torch.dtype
) -> torch.Tensor:
    """Return what each position sees, added to attention scores: shape (rows, 1, queries, keys)."""
    import torch

    device = lengths.device
    size = len(tree.tokens)
    sees = torch.zeros((len(lengths), width + size, width + size), dtype=torch.bool, device=device)
    sees[:, :width, :width] = torch.ones((width, width), dtype=torch.bool, device=device).tril()
    sees[:, width:, :width] = (torch.arange(width, device=device) < lengths[:, None])[:, None]
    sees[:, width:, width:] = torch.tensor(tree.ancestors(), dtype=torch.bool, device=device)
    mask = torch.zeros(
        (len(lengths), 1, width + size, shared.length + width + size), dtype=dtype, device=device
    )
    mask[..., shared.length :].masked_fill_(~sees[:, None], torch.finfo(dtype).min)
    return mask


def _edge_scores(model: Any, hidden: torch.Tensor, tree: LabelTree) -> torch.Tensor:
    """Return log p(token | node) of every edge: shape (rows, edges)."""
    import torch

    nodes = torch.tensor([node for node, _ in tree.edges], device=hidden.device)
    tokens = torch.tensor([token for _, token in tree.edges], device=hidden.device)
    head = model.get_output_embeddings()
    step = max(1, POSITIONS_PER_HEAD // hidden.shape[1])
    found = []
    for start in range(0, len(hidden), step):
        part = hidden[start : start + step]
        logits = head(part).float()
        found.append(logits[:, nodes, tokens] - logits.logsumexp(-1)[:, nodes])
    return torch.cat(found)


def _add_up(edges: torch.Tensor, tree: LabelTree) -> torch.Tensor:
    import torch

    return torch.stack([edges[:, list(path)].sum(-1) for path in tree.paths], dim=1).cpu()
