"""inverted_lists: the nearest of very many vectors, by looking in the few lists where it most likely is.

An inverted file (Jégou, Douze and Schmid, Product Quantization for Nearest Neighbor Search, 2011, section 4, without
the quantization): vectors are parted by their nearest of some centres, and a question looks through the lists of the
centres that are nearest to it. What it compares is compared whole, so a cosine that it finds is exact; what it misses
stands in a list where it did not look. Near rows hardly ever do: docs/quality.md has the recall.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

PROBES = 32
"""Lists that one question looks through."""
_PER_LIST = 32
"""Vectors by which one centre is found, on the mean."""
_PASSES = 8
"""Of k-means, which has found its centres by then but for what does not matter here."""
_AT_ONCE = 4096
"""Questions that are asked together."""
_SEED = 1


class Growing:
    """Vectors that come one after the other: the array doubles, so that nothing is copied more than twice."""

    def __init__(self, vectors: Vectors) -> None:
        """Begin with some."""
        self._room, self._count = vectors, len(vectors)

    @property
    def vectors(self) -> Vectors:
        """All of them, shape (vectors, dimensions)."""
        return self._room[: self._count]

    def add(self, vectors: Vectors) -> None:
        """Add some more."""
        import numpy as np

        needed = self._count + len(vectors)
        if needed > len(self._room):
            room = np.empty((max(needed, 2 * self._count), vectors.shape[1]), dtype=np.float32)
            room[: self._count] = self.vectors
            self._room = room
        self._room[self._count : needed] = vectors
        self._count = needed


class InvertedLists:
    """An index of unit-length vectors that grows."""

    def __init__(self, vectors: Vectors) -> None:
        """Find centres among the first vectors, and take them in."""
        count = max(1, round(2 * math.sqrt(len(vectors))))
        self._centres = _centres(vectors, count)
        self._lists = [Growing(vectors[:0]) for _ in self._centres]
        self.add(vectors)

    def add(self, vectors: Vectors) -> None:
        """Take more vectors in, shape (vectors, dimensions)."""
        import numpy as np

        for start in range(0, len(vectors), _AT_ONCE):
            part = vectors[start : start + _AT_ONCE]
            own = (part @ self._centres.T).argmax(axis=1)
            for place in np.unique(own):
                self._lists[place].add(part[own == place])

    def nearest(self, questions: Vectors) -> Vectors:
        """Return each question's cosine to the nearest vector that is found, shape (questions,); -1 where none is."""
        import numpy as np

        found = np.full(len(questions), -1.0, dtype=np.float32)
        for start in range(0, len(questions), _AT_ONCE):
            part = questions[start : start + _AT_ONCE]
            self._ask(part, found[start : start + _AT_ONCE])
        return found

    def _ask(self, questions: Vectors, found: Vectors) -> None:
        import numpy as np

        probes = min(PROBES, len(self._centres))
        likeness = questions @ self._centres.T
        near = np.argpartition(-likeness, probes - 1, axis=1)[:, :probes]
        # All who look through a list do so together.
        asking = np.repeat(np.arange(len(questions)), probes)
        order = np.argsort(near.ravel(), kind="stable")
        lists, begins = np.unique(near.ravel()[order], return_index=True)
        for place, who in zip(lists, np.split(asking[order], begins[1:]), strict=True):
            held = self._lists[place].vectors
            if len(held):
                found[who] = np.maximum(found[who], (questions[who] @ held.T).max(axis=1))


def _centres(vectors: Vectors, count: int) -> Vectors:
    """Return centres of unit length, shape (count, dimensions), by k-means over some of the vectors."""
    import numpy as np

    draw = np.random.default_rng(_SEED)
    most = min(len(vectors), count * _PER_LIST)
    some = vectors[np.sort(draw.choice(len(vectors), most, replace=False))]
    centres = some[draw.choice(len(some), min(count, len(some)), replace=False)].copy()
    for _ in range(_PASSES):
        own = (some @ centres.T).argmax(axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, own, some)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        # A centre that has lost all its vectors stays where it was.
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), centres)
    return centres.astype(np.float32)
