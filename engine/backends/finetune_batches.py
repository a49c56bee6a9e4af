"""From training rows to batches: tokens of prompt and completion, the seeded order, left-padded tensors.

A row's tokens are exactly what prediction scores: the templated prompt with the generation prompt, the
completion with no space before it, the token that ends the assistant's turn. Knows no Trainer and no files.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.backends.protocol import Message, TrainingRow
from engine.errors import ModelError

if TYPE_CHECKING:
    import torch

GROUP = 4
"""Batches whose rows are sorted by length together: little padding, yet every batch stays a random mixture."""
IGNORED = -100
"""Target of a position without loss; the value that torch's cross entropy leaves out."""
_PROBE = "Xq7Zk"


class Encoded(NamedTuple):
    """One row as token ids; `completion` ends with the turn's end token."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.prompt) + len(self.completion)


def turn_end(tokenizer: Any) -> int:
    """Return the id of the token that ends an assistant's turn, read from the chat template itself.

    The end-of-sequence token is not always the turn's end, so the template is asked; the former is the answer
    where the template has no token of its own after the assistant's words.

    Raises:
        ModelError: the tokenizer has neither.
    """
    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
    text: str = tokenizer.apply_chat_template(turns, tokenize=False)
    after = tokenizer.encode(text.rpartition(_PROBE)[2], add_special_tokens=False)
    if after and after[0] in tokenizer.all_special_ids:
        return int(after[0])
    if tokenizer.eos_token_id is None:
        raise ModelError(
            "the model's tokenizer has no token that ends a turn",
            "choose an instruct model: its chat template closes the assistant's turn with a special token",
        )
    return int(tokenizer.eos_token_id)


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> tuple[int, ...]:
    """Return the tokens of a prompt up to the place where the assistant begins to speak."""
    turns = [{"role": message.role, "content": message.content} for message in messages]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def encode(
    tokenizer: Any, rows: Sequence[TrainingRow], max_length: int, split: str
) -> list[Encoded]:
    """Return the rows as tokens.

    Raises:
        ModelError: a row is longer than `max_length` tokens; nothing is ever cut.
    """
    if tokenizer.chat_template is None:
        raise ModelError(
            "the student's tokenizer has no chat template, so a prompt cannot be written for it",
            "choose an instruct model, or add a chat_template.jinja to the model's folder",
        )
    end = turn_end(tokenizer)
    encoded = []
    for number, row in enumerate(rows, start=1):
        completion = (*tokenizer.encode(row.completion, add_special_tokens=False), end)
        tokens = Encoded(encode_prompt(tokenizer, row.messages), completion)
        if tokens.length > max_length:
            said = row.messages[-1].content if row.messages else row.completion
            raise ModelError(
                f"{split} row {number} of {len(rows)} has {tokens.length} tokens,"
                f" more than max_length {max_length}: {said[:80]!r}",
                f"set train.max_length to {tokens.length} or more, or leave the row out of the data",
            )
        encoded.append(tokens)
    return encoded


def batches(lengths: Sequence[int], size: int, steps: int, seed: int) -> list[tuple[int, ...]]:
    """Return `steps` batches of `size` row indices: epoch after epoch, each in an order of its own.

    Every batch is full (one may reach into the next epoch), so every step costs about the same. Rows are
    grouped by length among `GROUP` batches at a time; the order of the groups' batches is shuffled again.
    """
    rng = random.Random(f"order {seed}")
    stream = _passes(len(lengths), rng)
    order: list[tuple[int, ...]] = []
    while len(order) < steps:
        # No more rows than are trained on: what sorting pushed past the end would be missing from its pass.
        taken = islice(stream, size * min(GROUP, steps - len(order)))
        rows = sorted(taken, key=lambda row: lengths[row])
        group = [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]
        rng.shuffle(group)
        order += group
    return order


def _passes(rows: int, rng: random.Random) -> Iterator[int]:
    while True:
        order = list(range(rows))
        rng.shuffle(order)
        yield from order


def collate(rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
    """Return one batch, padded on the left so that all completions end at the right edge.

    `input_ids`, `attention_mask`, `position_ids` have the shape (rows, longest row - 1): the last token of a
    row is only ever predicted. `targets` has the shape (rows, longest completion) and belongs to the last
    positions. What counts is decided by position, never by the pad token: that may be the turn's end token,
    and a student that gets no loss on it never learns to stop.
    """
    import torch

    width = max(row.length for row in rows) - 1
    keep = max(len(row.completion) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    targets = torch.full((len(rows), keep), IGNORED, dtype=torch.long)
    for place, row in enumerate(rows):
        tokens = (row.prompt + row.completion)[:-1]
        ids[place, width - len(tokens) :] = torch.tensor(tokens)
        mask[place, width - len(tokens) :] = 1
        targets[place, keep - len(row.completion) :] = torch.tensor(row.completion)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    return {"input_ids": ids, "attention_mask": mask, "position_ids": positions, "targets": targets}
