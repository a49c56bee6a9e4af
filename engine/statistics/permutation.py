"""A paired permutation test: were both of a pair alike, their difference could as well have had the other sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

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


def exchanges(
    one: Sequence[Floats],
    other: Sequence[Floats],
    combine: Callable[[Floats], Floats],
    seed: int = 0,
) -> float:
    """Return the p-value of a difference of what is no mean of rows, by exchanging both students' answers row by row.

    The share of random exchanges that give a difference as large, or larger: `sign_flips` for a value over all rows. In
    all seeds the same rows are exchanged.

    Args:
        one: For each seed what each row brings to the value, shape (rows, k).
        other: The same of the other student, in the same columns.
        combine: Makes values, shape (draws,), of sums over rows, shape (draws, k).
        seed: Of the random exchanges.

    Source: Noreen, Computer-Intensive Methods for Testing Hypotheses (1989), approximate randomization.
    """
    import numpy as np

    changes = [a - b for a, b in zip(one, other, strict=True)]
    moved = np.flatnonzero(np.any([np.any(change != 0.0, axis=1) for change in changes], axis=0))
    if not len(moved):
        return 1.0
    sums = [(a.sum(axis=0), b.sum(axis=0)) for a, b in zip(one, other, strict=True)]
    changes = [change[moved] for change in changes]

    def differences(exchanged: Floats) -> Floats:
        by_seed = []
        for (first, second), change in zip(sums, changes, strict=True):
            passed = exchanged @ change
            by_seed.append(combine(first - passed) - combine(second + passed))
        means: Floats = np.mean(by_seed, axis=0)
        return means

    observed = abs(float(differences(np.zeros((1, len(moved))))[0])) * (1 - 1e-9)
    generator = np.random.default_rng([seed, len(moved)])
    width = max(len(moved), changes[0].shape[1])
    step, smaller, left = max(1, _AT_ONCE // width), 0, PERMUTATIONS
    while left:
        count = min(step, left)
        exchanged = generator.integers(0, 2, size=(count, len(moved)), dtype=np.int8).astype(
            np.float64
        )
        # An exchange without a value is no reason to believe in the difference.
        smaller += int(np.sum(np.abs(differences(exchanged)) < observed))
        left -= count
    return (1 + PERMUTATIONS - smaller) / (1 + PERMUTATIONS)
