"""What the tests of limits have computed apart: functions that a process of its own finds by their names."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

from engine.operators.making.protocol import Material


def for_ever(*_: object) -> str:
    """Compute without end."""
    while True:
        pass


def nothing() -> None:
    """Do nothing."""


def too_much(*_: object) -> str:
    """Ask for more memory than there is."""
    return "x" * 10**15


def wrong() -> None:
    """Raise something."""
    raise ValueError("no such thing")


def numbers() -> Iterator[int]:
    """Yield numbers without end."""
    number = 0
    while True:
        yield number
        number += 1


def hold(size: int) -> None:
    """Hold memory, and do nothing."""
    held = b"x" * size
    time.sleep(30)
    del held


def material(read: Any) -> Material:
    """Return what a row function makes rows of."""
    nothing: Any = None
    return Material(nothing, None, nothing, nothing, {}, random.Random(0), read)
