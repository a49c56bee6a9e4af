"""Where vectors lie on a plane, for a map: along the two directions in which they differ most.

Principal components (Pearson, 1901; Hotelling, 1933), by the eigenvectors of the covariance matrix: of vectors of a few
hundred dimensions that is exact, and takes little for any number of them. What comes later is placed along the
directions that were found first, so that a map shows all of it in one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.rows import MapAxis
from engine.stages.analyse.clusterers.vectors import BLOCK

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

FLAT = 1e-6
"""Variance along a direction from which vectors differ along it."""
DIGITS = 6
"""Decimals that are kept: as of centroids."""


def axes_of(vectors: Vectors) -> list[MapAxis]:
    """Return two axes for unit vectors, shape (n, dimensions); none where they do not differ in two directions.

    Directions are signed by their largest component, so that the same vectors always give the same axes.
    """
    import numpy as np

    if len(vectors) < 3:
        return []
    mean = vectors.mean(axis=0, dtype=np.float64)
    products = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK] - mean
        products += block.T @ block
    variances, directions = np.linalg.eigh(products / len(vectors))
    if len(variances) < 2 or variances[-2] < FLAT:
        return []
    found = []
    for number in (1, 2):
        direction = directions[:, -number]
        direction = (direction * np.sign(direction[np.abs(direction).argmax()])).round(DIGITS)
        centre = round(float(mean @ direction), DIGITS)
        found.append(MapAxis(number, tuple(direction.tolist()), centre))
    return found


def places(vectors: Vectors, axes: Sequence[MapAxis]) -> npt.NDArray[np.float64]:
    """Return the coordinates of vectors along axes, shape (n, axes)."""
    import numpy as np

    # As precise as the vectors: a copy of them in twice the precision would be large.
    directions = np.array([axis.direction for axis in axes], dtype=vectors.dtype)
    along = (vectors @ directions.T).astype(np.float64)
    found: npt.NDArray[np.float64] = along - [axis.centre for axis in axes]
    # No negative zero.
    return found.round(DIGITS) + 0.0
