"""delete_words, swap_words: two of the four operations of EDA (Wei & Zou, arXiv 1901.11196, section 2).

Each works on a share of the words. For labels alone: of a text without one word a label mostly stays right, a number,
a span or an object need not. EDA exchanges any two words; of short texts that makes nonsense (a careful reader called
19 of 50 such rows right, docs/results.md), so neighbours change places here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from engine.operators.making.protocol import Made, Material, NotMade, RowFunction

_TOKEN = re.compile(r"\S+")


def _deleted(tokens: list[str], count: int, draw: random.Random) -> list[str]:
    gone = set(draw.sample(range(len(tokens)), min(count, len(tokens) - 1)))
    return [token for i, token in enumerate(tokens) if i not in gone]


def _swapped(tokens: list[str], count: int, draw: random.Random) -> list[str]:
    tokens = list(tokens)
    for _ in range(count):
        i = draw.randrange(len(tokens) - 1)
        tokens[i], tokens[i + 1] = tokens[i + 1], tokens[i]
    return tokens


def _made(
    change: Callable[[list[str], int, random.Random], list[str]],
) -> Callable[[Material], Made]:
    def make(material: Material) -> Made:
        seed = material.seed.inputs
        longest = max(seed, key=lambda column: len(_TOKEN.findall(seed[column])))
        tokens = _TOKEN.findall(seed[longest])
        if len(tokens) < 2:
            raise NotMade("the row has only one word")
        count = max(1, round(float(material.params["share"]) * len(tokens)))
        new = change(tokens, count, material.draw)
        if new == tokens:
            raise NotMade("the words that were swapped are the same")
        return Made({**seed, longest: " ".join(new)})

    return make


DELETE_WORDS = RowFunction(
    name="delete_words",
    version=1,
    description="a share of the words left out, at least one",
    label="keep",
    copies="near",
    params={"share": "number"},
    make=_made(_deleted),
)
SWAP_WORDS = RowFunction(
    name="swap_words",
    version=2,
    description="neighbouring words with their places exchanged, once for a share of the words, at least once",
    label="keep",
    copies="near",
    params={"share": "number"},
    make=_made(_swapped),
)
