"""What training rows show among themselves, under the embedder in use: the measure that quantiles of gates refer to.

A gate that compares cosines takes its thresholds from here, never from a constant: what is near under one embedder is
far under another. Rows of equal words are the same row, and are not compared. Where too few rows can be compared there
is no threshold, and the gate lets all pass.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.wording import without_a_word, words

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Embed = Callable[[Sequence[str]], "npt.NDArray[np.float32]"]
"""Texts to unit-length embeddings, shape (len(texts), dimensions)."""

FEWEST = 20
"""Fewest comparisons of which a quantile is taken."""
_COMPARED = 500
"""Most training rows that are compared with all others: evenly spaced, so that memory and time stay small."""
_PARTNERS = 16
"""Most rows of its own label that one row is paired with, evenly spaced."""
_EDITED = 25
"""Most training rows of which near copies are made."""
_EDITS = 8
"""Most near copies of one row."""


class Shown(NamedTuple):
    """Cosine similarities among training rows, each an array of its own length.

    Rows are alike that have a label in common; where there are no labels, all are.
    """

    pairs: npt.NDArray[np.float32]
    """Of pairs of rows that are alike; of rows and their nearest where there are no labels."""
    nearest: npt.NDArray[np.float32]
    """Of rows and the nearest that is like them."""
    margins: npt.NDArray[np.float32]
    """Of rows that have both: the nearest that is like them, minus the nearest that is not."""
    near_copy: float | None
    """Of rows and themselves with one word left out: the median; None where no row has two words."""

    def quantile(self, values: npt.NDArray[np.float32], share: float) -> float | None:
        """Return the quantile of one of these arrays; None for one with too few values."""
        import numpy as np

        return float(np.quantile(values, share)) if len(values) >= FEWEST else None


def show(
    texts: Sequence[str],
    vectors: npt.NDArray[np.float32],
    labels: Sequence[Collection[str]],
    embed: Embed,
) -> Shown:
    """Compare training rows with one another.

    Args:
        texts: The rows' inputs.
        vectors: Their embeddings, unit length, shape (rows, dimensions).
        labels: The labels of each row.
        embed: Texts to embeddings, for near copies.
    """
    import numpy as np

    numbers: dict[tuple[str, ...], int] = {}
    same = np.array([numbers.setdefault(words(text), len(numbers)) for text in texts])
    holders = places_of(labels)
    alike_pairs: list[float] = []
    nearest_of_all: list[float] = []
    nearest: list[float] = []
    margins: list[float] = []
    for row in _spaced(len(texts), _COMPARED):
        cosines = vectors @ vectors[row]
        others = same != same[row]
        alike = np.zeros(len(texts), dtype=bool)
        for label in labels[row]:
            alike[holders[label]] = True
        own, foreign = np.flatnonzero(alike & others), np.flatnonzero(~alike & others)
        if len(own):
            alike_pairs.extend(cosines[own[_spaced(len(own), _PARTNERS)]])
            nearest.append(cosines[own].max())
        if len(own) and len(foreign):
            margins.append(cosines[own].max() - cosines[foreign].max())
        if others.any():
            nearest_of_all.append(cosines[others].max())
    pairs = alike_pairs if len(holders) > 1 else nearest_of_all
    return Shown(
        np.array(pairs, dtype=np.float32),
        np.array(nearest, dtype=np.float32),
        np.array(margins, dtype=np.float32),
        near_copy(texts, embed),
    )


def places_of(labels: Sequence[Collection[str]]) -> dict[str, list[int]]:
    """Return label -> the places of the rows that carry it, of the labels of each row."""
    places: dict[str, list[int]] = {}
    for row, named in enumerate(labels):
        for label in named:
            places.setdefault(label, []).append(row)
    return places


def _spaced(rows: int, most: int) -> npt.NDArray[np.intp]:
    """Return at most so many of the numbers below `rows`, evenly spaced."""
    import numpy as np

    return np.arange(rows) if rows <= most else np.linspace(0, rows - 1, most).astype(np.intp)


def near_copy(texts: Sequence[str], embed: Embed) -> float | None:
    """Return the median cosine of rows and themselves with one word left out; None where no row has two words.

    What is nearer to a row than that says the same in nearly the same words, whatever the embedder and however far
    apart the rows are.
    """
    import numpy as np

    rows: list[str] = []
    copies: list[str] = []
    for row in _spaced(len(texts), _EDITED):
        edited = without_a_word(texts[row])
        for left_out in _spaced(len(edited), _EDITS) if len(edited) > 1 else ():
            rows.append(texts[row])
            copies.append(edited[left_out])
    if not copies:
        return None
    vectors = embed([*rows, *copies])
    cosines = np.einsum("ij,ij->i", vectors[: len(rows)], vectors[len(rows) :])
    return float(np.median(cosines))
