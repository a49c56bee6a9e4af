"""From training rows to batches: tokens of prompt and completion, the seeded order, rows packed into lines.

A row's tokens are exactly what prediction scores: the templated prompt with the generation prompt, the
completion with no space before it, the token that ends the assistant's turn. Knows no Trainer and no files.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.backends.local.chat import encode_prompt, encode_said, turn_end
from engine.backends.local.prefix import common_prefix_length
from engine.backends.protocol import AnswerPair, TooFewPairs, TrainingRow
from engine.errors import ModelError
from engine.turns.tools import Said

if TYPE_CHECKING:
    import torch

GROUP = 4
"""Batches whose rows are sorted by length together: little padding, yet every batch stays a random mixture."""
PACKED_TOKENS = 512
"""Tokens of rows that share a line: beyond it, attention costs more than padding. A longer row has its own line."""
PADDING = -1
"""Segment of what fills a line."""


class Encoded(NamedTuple):
    """One row as token ids; `completion` ends with the turn's end token."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.prompt) + len(self.completion)


def encode(
    tokenizer: Any,
    rows: Sequence[TrainingRow],
    max_length: int,
    split: str,
    context: int | None = None,
) -> list[Encoded]:
    """Return the rows as tokens.

    Raises:
        ModelError: a row is longer than `max_length` tokens or the model's `context`; nothing is ever cut. Or the
            chat template is missing, or refuses a row.
    """
    encoded = _encoded(tokenizer, rows)
    for number, (row, tokens) in enumerate(zip(rows, encoded, strict=True), start=1):
        if tokens.length > min(max_length, context or max_length):
            raise _too_long(
                row, tokens.length, f"{split} row {number} of {len(rows)}", max_length, context
            )
    return encoded


def _encoded(tokenizer: Any, rows: Sequence[TrainingRow]) -> list[Encoded]:
    if tokenizer.chat_template is None:
        raise ModelError(
            "the student's tokenizer has no chat template, so a prompt cannot be written for it",
            "choose an instruct model, or add a chat_template.jinja to the model's folder",
        )
    end = turn_end(tokenizer)
    return [
        Encoded(
            encode_prompt(tokenizer, row.messages),
            (*encode_said(tokenizer, row.messages, Said(row.completion, row.calls)), end),
        )
        for row in rows
    ]


class EncodedPair(NamedTuple):
    """One pair as token ids, each answer with the prompt before it."""

    chosen: Encoded
    rejected: Encoded

    @property
    def length(self) -> int:
        """Tokens of the longer of the two."""
        return max(self.chosen.length, self.rejected.length)


def encode_pairs(
    tokenizer: Any,
    pairs: Sequence[AnswerPair],
    max_length: int,
    context: int | None = None,
    least: int = 1,
) -> list[EncodedPair]:
    """Return the pairs as tokens, each answer as if it were a training row's, without those that are too long.

    A wrong answer may run on to where the student was cut off: that is no mistake of the data.

    Raises:
        TooFewPairs: fewer than `least` are short enough.
        ModelError: the chat template is missing, or refuses a row.
    """
    chosen, rejected = (
        _encoded(tokenizer, [TrainingRow(pair.messages, said) for pair, said in answers])
        for answers in ([(p, p.chosen) for p in pairs], [(p, p.rejected) for p in pairs])
    )
    found = [EncodedPair(*both) for both in zip(chosen, rejected, strict=True)]
    limit = min(max_length, context or max_length)
    kept = [pair for pair in found if pair.length <= limit]
    if len(kept) < least:
        lengths = sorted(pair.length for pair in found)
        raise TooFewPairs(
            f"{len(kept)} of {len(found)} pairs of a right and a wrong answer fit in {limit} tokens, "
            f"train.preference.min_pairs is {least}",
            f"set train.max_length to {lengths[min(least, len(lengths)) - 1]} or more",
        )
    return kept


def _too_long(
    row: TrainingRow, tokens: int, name: str, max_length: int, context: int | None
) -> ModelError:
    fits = context is None or tokens <= context
    limit = f"max_length {max_length}" if fits else f"the {context} that the student takes"
    remedy = f"set train.max_length to {tokens} or more" if fits else "shorten the prompt"
    text = row.messages[-1].content if row.messages else row.completion
    return ModelError(
        f"{name} has {tokens} tokens, more than {limit}: {text[:80]!r}",
        f"{remedy}, or leave the row out of the data",
    )


class Blend(NamedTuple):
    """How two kinds of rows are trained on together: the first `original` rows, and those behind them."""

    original: int
    generated: int
    mix: float = 1.0
    """How often a generated row is visited for each visit of an original one."""
    generated_first: bool = False


def blended_order(
    lengths: Sequence[int], blend: Blend, size: int, steps: int, seed: int
) -> list[tuple[int, ...]]:
    """Return `steps` batches of `size` row indices for original and generated rows; see `batch_order`.

    Mixed, a pass holds every original row once and every generated row `mix` times; of a fraction the pass holds
    its share, and the next pass goes on where it stopped, so that all generated rows are visited equally often.
    Generated first, both kinds have as many steps as their visits make up in all, and one at least.
    """
    original, generated = range(blend.original), range(blend.original, len(lengths))
    if not generated or not original:
        return batch_order(lengths, size, steps, seed)
    visits = blend.mix * len(generated)
    if blend.generated_first and steps > 1:
        share = visits / (visits + len(original))
        first = min(steps - 1, max(1, round(steps * share)))
        order = batch_order([lengths[row] for row in generated], size, first, seed)
        shifted = [tuple(len(original) + row for row in batch) for batch in order]
        return shifted + batch_order(lengths[: len(original)], size, steps - first, seed)
    if blend.mix == 1:
        return batch_order(lengths, size, steps, seed)
    rng = random.Random(f"order {seed}")
    return _batches(_blended_passes(blend, rng), lengths, size, steps, rng)


def batch_order(lengths: Sequence[int], size: int, steps: int, seed: int) -> list[tuple[int, ...]]:
    """Return `steps` batches of `size` row indices: epoch after epoch, each in an order of its own.

    Every batch is full (one may reach into the next epoch), so every step costs about the same. Rows are
    grouped by length among `GROUP` batches at a time; the order of the groups' batches is shuffled again.
    """
    rng = random.Random(f"order {seed}")
    return _batches(_passes(range(len(lengths)), rng), lengths, size, steps, rng)


def _batches(
    stream: Iterator[int], lengths: Sequence[int], size: int, steps: int, rng: random.Random
) -> list[tuple[int, ...]]:
    order: list[tuple[int, ...]] = []
    while len(order) < steps:
        # No more rows than are trained on: what sorting pushed past the end would be missing from its pass.
        taken = islice(stream, size * min(GROUP, steps - len(order)))
        rows = sorted(taken, key=lambda row: lengths[row])
        group = [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]
        rng.shuffle(group)
        order += group
    return order


def _passes(rows: Sequence[int], rng: random.Random) -> Iterator[int]:
    while True:
        order = list(rows)
        rng.shuffle(order)
        yield from order


def _blended_passes(blend: Blend, rng: random.Random) -> Iterator[int]:
    generated = _passes(range(blend.original, blend.original + blend.generated), rng)
    drawn = 0
    for number in count(1):
        due = round(number * blend.mix * blend.generated)
        order = [*range(blend.original), *islice(generated, due - drawn)]
        drawn = due
        rng.shuffle(order)
        yield from order


def collate(
    rows: Sequence[Encoded], pack: bool = True, share: bool = True, flat: bool = False
) -> dict[str, torch.Tensor]:
    """Return one batch as few lines of tokens, so that little is computed twice and nothing for padding.

    Rows stand one after the other in a line, behind what all prompts of the batch begin with; `attention_mask` keeps
    them apart. The loss is that of the rows alone: positions are counted per row, and a row sees the
    beginning and itself.

    Args:
        rows: The batch.
        pack: Whether a line may hold several rows; without it each has a line, without a shared beginning.
        share: Whether the prompts' beginning stands once in each line; it is one computation then, so
            dropout there would be the same for all rows.
        flat: Whether all rows stand in one line, with nothing shared and nothing filled: as flash attention wants them,
            which takes no mask and tells rows apart by where positions begin again.

    Returns:
        `input_ids`, `position_ids`: shape (lines, longest line), lines end at the right edge; the last token of
            a row is only ever predicted, so it is left out.
        `segments`: same shape, which row of its line a token belongs to, counted from 1; 0 is the shared
            beginning, `PADDING` what fills a line.
        `lines`, `places`, `targets`: shape (completion tokens), where each is predicted from, and its id. What
            counts is decided by position, never by the pad token: that may be the turn's end token, and a
            student that gets no loss on it never learns to stop.
    """
    import torch

    shared = (
        common_prefix_length([row.prompt for row in rows]) if pack and share and not flat else 0
    )
    rests = [row.length - 1 - shared for row in rows]
    packed = _pack(rests, sum(rests) if flat else PACKED_TOKENS if pack else 0)
    if len(packed) == len(rows):  # nothing to share the beginning with
        shared, rests = 0, [row.length - 1 for row in rows]
    width = shared + max(sum(rests[row] for row in line) for line in packed)
    ids = torch.zeros((len(packed), width), dtype=torch.long)
    positions, segments = torch.zeros_like(ids), torch.full_like(ids, PADDING)
    predicted: list[tuple[int, int, int]] = []
    for number, line in enumerate(packed):
        place = width - shared - sum(rests[row] for row in line)
        pieces = [(0, 0, rows[line[0]].prompt[:shared])]
        pieces += [
            (segment, shared, (rows[row].prompt + rows[row].completion)[shared:-1])
            for segment, row in enumerate(line, start=1)
        ]
        for segment, first, tokens in pieces:
            here = slice(place, place + len(tokens))
            ids[number, here] = torch.tensor(tokens, dtype=torch.long)
            positions[number, here] = torch.arange(first, first + len(tokens))
            segments[number, here] = segment
            place += len(tokens)
            if segment:
                completion = rows[line[segment - 1]].completion
                start = place - len(completion)
                predicted += [(number, start + at, token) for at, token in enumerate(completion)]
    lines, places, targets = torch.tensor(predicted, dtype=torch.long).unbind(1)
    return {
        "input_ids": ids,
        "position_ids": positions,
        "segments": segments,
        "lines": lines,
        "places": places,
        "targets": targets,
    }


def _pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Return which rows share a line: each goes into the first with room for it, the longest first."""
    capacity = max(capacity, *lengths)
    lines: list[list[int]] = []
    room: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (-lengths[row], row)):
        fitting = (line for line, free in enumerate(room) if free >= lengths[row])
        line = next(fitting, len(lines))
        if line == len(lines):
            lines.append([])
            room.append(capacity)
        lines[line].append(row)
        room[line] -= lengths[row]
    return lines


def attention_mask(segments: torch.Tensor) -> torch.Tensor:
    """Return which tokens (last dimension) each token sees, shape (lines, 1, width, width)."""
    import torch

    width = segments.shape[1]
    earlier = torch.ones((width, width), dtype=torch.bool, device=segments.device).tril()
    key, query = segments[:, None, :], segments[:, :, None]
    return (earlier & ((key == query) | (key == 0)) & (key != PADDING))[:, None]
