"""Which rows are most different from one another: the greedy k-centre choice, as in core-set selection.

Each next row is the one farthest from all that are chosen (Sener and Savarese, arXiv 1708.00489, algorithm 1), here
with its distance weighted by how far the row can be trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Spreading:
    """Chooses rows, some at a time, each as far as may be from all that were chosen before."""

    def __init__(self, vectors: npt.NDArray[np.float32], weights: Sequence[float]) -> None:
        """Take all unit-length embeddings, shape (rows, dimensions), and what distances are multiplied by."""
        import numpy as np

        self._vectors, self._weights = vectors, np.array(weights, dtype=np.float64)
        # Before anything is chosen all are equally far, and the weights decide; then the order.
        self._nearest = np.full(len(vectors), 2.0)

    def choose(self, places: Iterable[int]) -> None:
        """Count rows as chosen."""
        import numpy as np

        for place in places:
            distances = 1.0 - self._vectors @ self._vectors[place]
            self._nearest = np.minimum(self._nearest, distances)

    def take(
        self,
        among: Sequence[int],
        count: int,
        may: Callable[[int], bool] = lambda place: True,
    ) -> list[int]:
        """Choose up to `count` of the rows `among` that `may` be, and return them in the order of the choice."""
        import numpy as np

        if len(among) <= count:
            taken = [place for place in among if may(place)]
            self.choose(taken)
            return taken
        left = np.array(sorted(among), dtype=np.int64)
        taken = []
        while len(left) and len(taken) < count:
            # Of those equally far the first.
            far = int(np.round(self._nearest[left] * self._weights[left], 6).argmax())
            place = int(left[far])
            left = np.delete(left, far)
            if may(place):
                taken.append(place)
                self.choose([place])
        return taken
