"""What whole numbers may be: between the bounds of the store's columns, which take 32 bits.

Each number is held against them where it comes from, so that whoever wrote it is told, with its place; one that got
past would stop the rows beside it from being stored.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le  # pydantic reads them, and `pada --help` does not need it

LARGEST = 2**31 - 1
SMALLEST = -(2**31)
Count = Annotated[int, Le(LARGEST)]
"""A whole number of a recipe, or of a file that it names, whose own field says the smallest."""
Whole = Annotated[int, Ge(SMALLEST), Le(LARGEST)]
"""One without a smallest of its own."""


def is_storable(number: int) -> bool:
    """Return whether the store's columns take a whole number."""
    return SMALLEST <= number <= LARGEST
