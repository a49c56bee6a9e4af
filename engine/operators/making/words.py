"""The words of a row that a program may change: where they stand, without those that the target hangs on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.operators.making.protocol import Material, NotMade

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


class Place(NamedTuple):
    """A word of a row."""

    column: str
    start: int
    end: int


def open_places(material: Material, least: int = 1) -> list[Place]:
    """Return the words of so many letters or more that may be changed, in order; raises NotMade without any."""
    found = [
        Place(column, *match.span())
        for column, text in material.seed.inputs.items()
        for match in _WORD.finditer(text)
        if len(match[0]) >= least
        and not _within(match.span(), fixed_spans(text, material.fixed.get(column, ())))
    ]
    if not found:
        raise NotMade(f"the row has no word of {least} letters or more that may be changed")
    return found


def fixed_spans(text: str, parts: Sequence[str]) -> list[tuple[int, int]]:
    """Return where parts of a text stand, each wherever it does."""
    return [match.span() for part in parts if part for match in re.finditer(re.escape(part), text)]


def replaced(inputs: Mapping[str, str], changes: Mapping[Place, str]) -> dict[str, str]:
    """Return a row with some of its words replaced."""
    texts = dict(inputs)
    for place in sorted(changes, key=lambda place: -place.start):
        text = texts[place.column]
        texts[place.column] = text[: place.start] + changes[place] + text[place.end :]
    return texts


def _within(span: tuple[int, int], fixed: Sequence[tuple[int, int]]) -> bool:
    return any(span[0] < end and start < span[1] for start, end in fixed)
