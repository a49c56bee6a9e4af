"""Why two ways of writing the same greedy answer differ: precision, rows beside it and padding, each switched alone.

The answers are transformers' own `generate` of the embedded student, one row at a time, so that what is found holds
whatever this engine does; its own way is the last switch.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

from engine import models
from engine.backends.local import fused, greedy, weights
from engine.backends.local.chat import encode_prompt
from engine.backends.local.generation import stop_tokens
from engine.backends.local.weights import Loaded
from engine.backends.protocol import Message

pytestmark = [pytest.mark.models, pytest.mark.long]

TEXTS = [
    "my parcel is late again", "thank you so much!", "change my address please, I moved to Bonn last week",
    "hello", "why was my card declined in the supermarket this morning?", "how do i reset it",
    "set a timer for ten minutes", "what is the exchange rate between dollars and yen today",
    "play something calm", "is it going to rain in Lisbon tomorrow evening",
]  # fmt: skip
TOKENS = 8
PADDING, ROWS = 5, 8
NEAR = 0.7
"""Difference of two tokens' float32 logits below which bfloat16, with 8 bits of each number, may turn their order:
twice the largest that was seen."""


class Told(NamedTuple):
    """A prompt's tokens, and what fills a row."""

    tokens: tuple[int, ...]
    filler: int


Way = Callable[[Loaded, list[Told]], list[list[int]]]


def generated(loaded: Loaded, rows: list[list[int]], mask: list[list[int]]) -> list[int]:
    """Return the first row's tokens up to the end of its turn."""
    stops = stop_tokens(loaded)
    with torch.inference_mode():
        said = loaded.model.generate(
            input_ids=torch.tensor(rows), attention_mask=torch.tensor(mask), max_new_tokens=TOKENS, do_sample=False,
            eos_token_id=stops, pad_token_id=stops[0],
        )[0, len(rows[0]) :].tolist()  # fmt: skip
    end = next((place for place, token in enumerate(said) if token in stops), None)
    return list(said[:end])


def alone(loaded: Loaded, prompts: list[Told]) -> list[list[int]]:
    return [generated(loaded, [list(p.tokens)], [[1] * len(p.tokens)]) for p in prompts]


def beside_others(loaded: Loaded, prompts: list[Told]) -> list[list[int]]:
    """Copies of the row stand beside it: nothing has to be filled up."""
    return [
        generated(loaded, [list(p.tokens)] * ROWS, [[1] * len(p.tokens)] * ROWS) for p in prompts
    ]


def padded(loaded: Loaded, prompts: list[Told]) -> list[list[int]]:
    """The row is alone, and begins behind tokens that it does not see."""
    return [
        generated(
            loaded, [[p.filler] * PADDING + list(p.tokens)], [[0] * PADDING + [1] * len(p.tokens)]
        )
        for p in prompts
    ]


def engine(loaded: Loaded, prompts: list[Told]) -> list[list[int]]:
    """All rows as a student writes them: shared beginning, batches, padding."""
    assert fused.of(loaded.model) is not None
    rows = [p.tokens for p in prompts]
    turns = greedy.write(loaded.model, rows, stop_tokens(loaded), TOKENS, 4)
    said = {turn.row: turn.tokens for batch in turns for turn in batch}
    return [said[row] for row in range(len(prompts))]


WAYS: dict[str, Way] = {"rows beside it": beside_others, "padding": padded, "engine": engine}


def opened(dtype: str) -> Loaded:
    return weights.load(models.fetch("embedded/smollm2-135m-instruct"), dtype, "cpu")


def told(loaded: Loaded) -> list[Told]:
    system = Message("system", "Label the text.")
    return [
        Told(encode_prompt(loaded.tokenizer, (system, Message("user", text))), 0) for text in TEXTS
    ]


def gap(loaded: Loaded, prompt: Told, one: list[int], other: list[int]) -> float:
    """Return how far apart the logits are of the first two tokens that differ; a turn that ended says its end."""
    end = stop_tokens(loaded)[0]
    one, other = [*one, end], [*other, end]
    place = next(n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    with torch.inference_mode():
        logits: Any = loaded.model(torch.tensor([[*prompt.tokens, *one[:place]]])).logits[0, -1]
    return abs(float(logits[one[place]] - logits[other[place]]))


def test_in_float32_neither_rows_nor_padding_nor_the_engine_change_an_answer() -> None:
    loaded = opened("float32")
    prompts = told(loaded)
    expected = alone(loaded, prompts)
    assert len({tuple(tokens) for tokens in expected}) > 3, "the rows say different things"
    for name, way in WAYS.items():
        assert way(loaded, prompts) == expected, name


def test_in_bfloat16_each_changes_near_ties_and_nothing_else() -> None:
    exact, rough = opened("float32"), opened("bfloat16")
    prompts = told(exact)
    reference = alone(exact, prompts)
    base = alone(rough, prompts)
    found = {"precision": (reference, base)}
    found |= {name: (base, way(rough, prompts)) for name, way in WAYS.items()}
    for name, (before, after) in found.items():
        gaps = [
            gap(exact, prompt, a, b)
            for prompt, a, b in zip(prompts, before, after, strict=True)
            if a != b
        ]
        print(
            f"{name}: {len(gaps)} of {len(prompts)} answers differ, where logits are {gaps} apart"
        )
        assert all(each < NEAR for each in gaps), name
