"""Words of `pada plan` for what has changed."""

from __future__ import annotations

from typing import Any

import pytest

from engine.plan.explain import _differences


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (4, 6.0, "4 -> 6"), (4.0, 6, "4 -> 6"), (4.0, 0.5, "4 -> 0.5"), (True, False, "True -> False"),
        (None, 2.0, "none -> 2"), (1e-4, 2e-4, "0.0001 -> 0.0002"),
    ],
)  # fmt: skip
def test_numbers_are_written_alike_on_both_sides(before: Any, now: Any, said: str) -> None:
    assert _differences("params.epochs", now, before, None) == [f"epochs: {said}"]
