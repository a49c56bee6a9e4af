"""many: the nearest earlier row of each of very many candidates, in blocks, the same label by label.

What `near_duplicate` asks for one candidate after the other, each of which may join those that later ones are compared
with. Here candidates are compared in blocks, with what came before the block and with one another. A label's rows are
all compared up to a number; more are looked up in inverted lists.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.stages.quality.inverted_lists import Growing, InvertedLists

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

BLOCK = 4096
"""Candidates that are compared together."""


class _Rows:
    """The rows of one label that a candidate may repeat."""

    def __init__(self, vectors: Vectors, exact_up_to: int) -> None:
        self._all: Growing | None = Growing(vectors)
        self._lists: InvertedLists | None = None
        self._exact_up_to = exact_up_to

    def add(self, vectors: Vectors) -> None:
        if self._all is None:
            assert self._lists is not None
            self._lists.add(vectors)
        else:
            self._all.add(vectors)

    def nearest(self, questions: Vectors) -> Vectors:
        import numpy as np

        if self._all is not None and len(self._all.vectors) > self._exact_up_to:
            self._lists, self._all = InvertedLists(self._all.vectors), None
        if self._all is None:
            assert self._lists is not None
            return self._lists.nearest(questions)
        if not len(self._all.vectors):
            return np.full(len(questions), -1.0, dtype=np.float32)
        found: Vectors = (questions @ self._all.vectors.T).max(axis=1)
        return found


class _Part(NamedTuple):
    """The candidates of one label in a block."""

    at: Mapping[int, int]
    """Candidate's place -> its number here."""
    before: Vectors
    """Each one's cosine to the nearest row before the block."""
    among: Vectors
    """Their cosines to one another, shape (candidates, candidates)."""
    kept: npt.NDArray[np.bool_]


class ManyEarlier:
    """The rows that candidates may repeat; asked about these in their order."""

    def __init__(
        self,
        vectors: Vectors,
        labels: Sequence[Collection[str]],
        earlier: Iterable[tuple[Vectors, Sequence[Collection[str]]]],
        exact_up_to: int,
    ) -> None:
        """Take the candidates' embeddings and labels, and those of the rows before them.

        Args:
            vectors: Unit length, shape (candidates, dimensions).
            labels: The labels of each candidate.
            earlier: Embeddings and labels of rows that are there already.
            exact_up_to: Rows of one label up to which all are compared.
        """
        self._vectors, self._labels, self._exact_up_to = vectors, labels, exact_up_to
        self._rows: dict[str, _Rows] = {}
        for rows, own in earlier:
            self._take(rows, _by_label(own))
        self._parts: dict[str, _Part] = {}
        self._end = 0

    def _take(self, vectors: Vectors, places: Mapping[str, Sequence[int]]) -> None:
        for label, own in places.items():
            if label in self._rows:
                self._rows[label].add(vectors[own])
            else:
                self._rows[label] = _Rows(vectors[own], self._exact_up_to)

    def nearest(self, place: int, own: Collection[str]) -> float:
        """Return the cosine of a candidate, by its place and its labels, to the nearest like it; -1 without any."""
        while place >= self._end:
            self._next_block()
        best = -1.0
        for label in own:
            part = self._parts[label]
            number = part.at[place]
            best = max(best, float(part.before[number]))
            kept = part.among[number, :number][part.kept[:number]]
            if len(kept):
                best = max(best, float(kept.max()))
        return best

    def keep(self, place: int, own: Collection[str]) -> None:
        """Count a candidate among the rows that later ones may repeat."""
        for label in own:
            part = self._parts[label]
            part.kept[part.at[place]] = True

    def _next_block(self) -> None:
        import numpy as np

        for label, part in self._parts.items():
            kept = [place for place, number in part.at.items() if part.kept[number]]
            if kept:
                self._take(self._vectors, {label: kept})
        start, self._end = self._end, min(self._end + BLOCK, len(self._vectors))
        self._parts = {}
        for label, places in _by_label(self._labels[start : self._end], start).items():
            own = self._vectors[places]
            rows = self._rows.get(label)
            before = (
                np.full(len(own), -1.0, dtype=np.float32) if rows is None else rows.nearest(own)
            )
            at = {place: number for number, place in enumerate(places)}
            self._parts[label] = _Part(at, before, own @ own.T, np.zeros(len(own), dtype=bool))


def _by_label(labels: Sequence[Collection[str]], first: int = 0) -> dict[str, list[int]]:
    """Return label -> the places of the rows that carry it, the first of which is `first`."""
    places: dict[str, list[int]] = {}
    for place, own in enumerate(labels, first):
        for label in dict.fromkeys(own):
            places.setdefault(label, []).append(place)
    return places
