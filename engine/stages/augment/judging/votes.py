"""votes: what several answers to one row come to, and whether enough of them do."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable


def most_given(answers: Iterable[str]) -> tuple[str, int]:
    """Return the answer that was given most often, of equals the first, and how often; `("", 0)` for no answers."""
    counts = Counter(answers).most_common(1)
    return counts[0] if counts else ("", 0)


def agree(count: int, asked: int, share: float) -> bool:
    """Return whether `count` of the answers that were asked for are at least a share of them, and any at all."""
    # A share such as 0.55 of 20 is a little more than 11 to a computer.
    return count >= max(1, math.ceil(share * asked - 1e-9))
