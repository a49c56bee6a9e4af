"""A paired permutation test: were both of a pair alike, their difference could as well have had the other sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

PERMUTATIONS = 9_999
"""So that the smallest p-value is 0.0001."""
_AT_ONCE = 4_000_000
"""Signs per block: 32 MB."""


def sign_flips(differences: npt.NDArray[np.float64], seed: int = 0) -> float:
    """Return the p-value of a mean difference of pairs: the share of random signs that give one as large, or larger.

    Args:
        differences: One per pair; of students over several seeds, each example's mean over the seeds.
        seed: Of the random signs.

    Source: Fisher, The Design of Experiments (1935), section 21; the observed signs count as one of the random ones
    (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 9 (2010)).
    """
    import numpy as np

    moved = differences[differences != 0.0]
    if not len(moved):
        return 1.0
    generator = np.random.default_rng([seed, len(moved)])
    observed = abs(float(moved.sum())) * (1 - 1e-12)
    step, as_large, left = max(1, _AT_ONCE // len(moved)), 0, PERMUTATIONS
    while left:
        count = min(step, left)
        signs = generator.integers(0, 2, size=(count, len(moved)), dtype=np.int8) * 2.0 - 1.0
        as_large += int(np.sum(np.abs(signs @ moved) >= observed))
        left -= count
    return (1 + as_large) / (1 + PERMUTATIONS)
