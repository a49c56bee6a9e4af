"""typos: words mistyped as fingers do: a key beside the right one, a letter left out, twice, or in the wrong order.

After the keyboard augmenter of nlpaug (https://github.com/makcedward/nlpaug) and the misspellings that Pruthi et al.
(arXiv 1905.11268) attack with; first letters stay, as people keep them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache

from engine.operators.making.protocol import Made, Material, RowFunction
from engine.operators.making.words import open_places, replaced

LAYOUTS = {
    "qwerty": ("qwertyuiop", "asdfghjkl", "zxcvbnm"),
    "qwertz": ("qwertzuiop", "asdfghjkl", "yxcvbnm"),
    "azerty": ("azertyuiop", "qsdfghjklm", "wxcvbn"),
}
"""Rows of letters, each half a key to the right of the one above."""
LEAST = 4
"""Letters of a word that is mistyped."""


def _make(material: Material) -> Made:
    places = open_places(material, LEAST)
    draw, share = material.draw, float(material.params["share"])
    count = max(1, round(share * len(places)))
    inputs = material.seed.inputs
    changes = {
        place: _mistyped(inputs[place.column][place.start : place.end], material)
        for place in draw.sample(places, min(count, len(places)))
    }
    return Made(replaced(inputs, changes))


def _mistyped(word: str, material: Material) -> str:
    draw = material.draw
    at = draw.randrange(1, len(word))
    kind = draw.choice(("beside", "left out", "twice", "order"))
    letter = word[at]
    if kind == "beside":
        return word[:at] + _beside(letter, material.params["layout"], draw) + word[at + 1 :]
    if kind == "left out":
        return word[:at] + word[at + 1 :]
    pairs = [i for i in range(1, len(word) - 1) if word[i] != word[i + 1]]
    if kind == "order" and pairs:
        i = draw.choice(pairs)
        return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    return word[:at] + letter + word[at:]


def _beside(letter: str, layout: str, draw: random.Random) -> str:
    """Return the letter of a key beside a letter's; the letter twice where the layout has no such key."""
    keys = neighbours(layout).get(letter.lower(), "")
    if not keys:
        return letter * 2
    key = draw.choice(keys)
    return key.upper() if letter.isupper() else key


@cache
def neighbours(layout: str) -> Mapping[str, str]:
    """Return the letters around each letter of a keyboard."""
    at = {
        letter: (row, column + row / 2)
        for row, letters in enumerate(LAYOUTS[layout])
        for column, letter in enumerate(letters)
    }
    return {
        letter: "".join(
            other
            for other, (above, across) in at.items()
            if other != letter and abs(above - row) <= 1 and abs(across - column) <= 1
        )
        for letter, (row, column) in at.items()
    }


TYPOS = RowFunction(
    name="typos",
    version=1,
    description="a share of the words mistyped, at least one",
    label="keep",
    copies="near",
    params={"share": "number", "layout": "choice"},
    make=_make,
)
