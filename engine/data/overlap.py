"""Rows of one split that another has too: in the same words, or in nearly the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from engine.data.records import Record
from engine.spec.recipe import Task
from engine.tasks import TASKS
from engine.wording import ngrams, words

NEAR = 0.8
"""Share of a row's word n-grams that one row of another split holds, from which it counts as near."""
_MOST_CHARACTERS = 10_000_000
"""Of two splits, beyond which near rows are not searched for: a profile should take seconds."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many rows of a split are in an earlier one too."""

    other: str
    same: int
    """With the same words in the same order, whatever case and punctuation."""
    near: int | None
    """Others of which most word n-grams occur in one row; None where that was not searched for."""


class Shared(NamedTuple):
    """Which rows of a split are in another one too, each with the row there; by their places."""

    same: Mapping[int, int]
    near: Mapping[int, int] | None
    """None where that was not searched for."""


def text_in(task: Task) -> Callable[[Record], str]:
    """Return what gives the inputs of a record as one text, as they are compared."""
    kind = TASKS.get(task.kind)

    def text(record: Record) -> str:
        values = {column: str(record.values[column]) for column in task.input}
        return kind.text_of(values) if kind else "\n".join(values.values())

    return text


def wording(text: str) -> tuple[str, ...] | str:
    """Return what is equal for texts with the same words in the same order; one without words is as it stands."""
    return words(text) or text.strip()


def overlap(other: str, shared: Shared) -> Overlap:
    """Count the rows that are the same as, or near to, a row of another split."""
    return Overlap(other, len(shared.same), None if shared.near is None else len(shared.near))


def shared_rows(rows: Sequence[str], others: Sequence[str], n: int) -> Shared:
    """Return the rows that are the same as, or near to, a row of another split.

    Args:
        rows: Texts to look for.
        others: Texts to look in.
        n: Length in words of the n-grams compared; shorter texts are compared whole.
    """
    whole: dict[tuple[str, ...] | str, int] = {}
    for place, text in enumerate(others):
        whole.setdefault(wording(text), place)
    found = ((number, whole.get(wording(text))) for number, text in enumerate(rows))
    same = {number: place for number, place in found if place is not None}
    if sum(map(len, rows)) + sum(map(len, others)) > _MOST_CHARACTERS:
        return Shared(same, None)
    grams = {
        number: hashed
        for number, text in enumerate(rows)
        if number not in same and (hashed := _hashed(text, n))
    }
    return Shared(same, _near(grams, others, n))


def _hashed(text: str, n: int) -> set[int]:
    """Return a text's n-grams as numbers, which take a tenth of the memory."""
    return set(map(hash, ngrams(text, n)))


def _near(grams: Mapping[int, set[int]], others: Iterable[str], n: int) -> dict[int, int]:
    """Return the rows of whose n-grams one other text holds the share NEAR, with the place of that text.

    A row that shares so many shares one of any few of its n-grams, so only its rarest are looked up.
    Source: prefix filtering, S. Chaudhuri, V. Ganti, R. Kaushik, "A Primitive Operator for Similarity Joins in Data
    Cleaning", ICDE 2006, section 4.
    """
    common = Counter(gram for hashed in grams.values() for gram in hashed)
    index: dict[int, list[int]] = defaultdict(list)
    for number, hashed in grams.items():
        few = len(hashed) - ceil(NEAR * len(hashed)) + 1
        for gram in sorted(hashed, key=common.__getitem__)[:few]:
            index[gram].append(number)
    near: dict[int, int] = {}
    for place, text in enumerate(others):
        here = _hashed(text, n)
        for gram in here & index.keys():
            # Rows found already are taken out: a beginning that all rows share must not bring them up each time.
            index[gram] = [number for number in index[gram] if number not in near]
            enough = (n for n in index[gram] if len(grams[n] & here) >= NEAR * len(grams[n]))
            near |= dict.fromkeys(enough, place)
    # By their places: in which order they were found depends on the hashes of their words.
    return dict(sorted(near.items()))
