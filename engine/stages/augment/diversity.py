"""Which rows are most different from one another: the greedy k-centre choice, as in core-set selection.

Each next row is the one farthest from all that are chosen (Sener and Savarese, arXiv 1708.00489, algorithm 1), here
with its distance weighted by how far the row can be trusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def spread(
    vectors: npt.NDArray[np.float32],
    weights: Sequence[float],
    among: Sequence[int],
    count: int,
    chosen: Sequence[int] = (),
) -> list[int]:
    """Return up to `count` of the rows `among`, in the order of the choice.

    Args:
        vectors: Unit-length embeddings of all rows, shape (rows, dimensions).
        weights: What a row's distance is multiplied by.
        among: Places of the rows to choose from.
        count: How many.
        chosen: Places of rows that are chosen already.
    """
    left = list(among)
    if len(left) <= count:
        return left
    import numpy as np

    # Before anything is chosen all are equally far, and the weights decide; then the order.
    nearest = np.full(len(vectors), 2.0)
    for place in chosen:
        nearest = np.minimum(nearest, 1.0 - vectors @ vectors[place])
    taken: list[int] = []
    while left and len(taken) < count:
        best = max(
            left, key=lambda place: (round(float(nearest[place]) * weights[place], 6), -place)
        )
        left.remove(best)
        taken.append(best)
        nearest = np.minimum(nearest, 1.0 - vectors @ vectors[best])
    return taken
