"""Several rows in one call: how they are shuffled into calls, and which of them a reply speaks of.

In a prompt every row has an id, `r1` and so on, and a reply's items carry these ids. What a reply leaves out, says
twice or says of a row that nobody asked about is found here, and is never an error.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from engine.fingerprint import short

T = TypeVar("T")
MISSING, TWICE, NOT_ASKED = "missing_in_reply", "twice_in_reply", "not_asked"
"""Reasons of drops."""


def ids(count: int) -> list[str]:
    """Return the ids of the rows of one call."""
    return [f"r{number}" for number in range(1, count + 1)]


def calls_of(items: Sequence[T], keys: Sequence[Any], rows_per_call: int) -> list[list[T]]:
    """Return items shuffled and parted into calls of about the same size, the same for the same keys.

    Args:
        items: What is asked about.
        keys: One per item, what it is by content: another run with the same rows makes the same calls.
        rows_per_call: Most items of one call.
    """
    order = sorted(range(len(items)), key=lambda place: (short(keys[place]), place))
    count = math.ceil(len(items) / rows_per_call)
    return [[items[place] for place in order[number::count]] for number in range(count)]


class Numbered(NamedTuple):
    """What one reply says of the rows of its call."""

    items: list[Mapping[str, Any] | None]
    """By row; None where the reply says nothing usable of it."""
    missing: list[str]
    """Per row without an item: why, one of MISSING and TWICE; empty for the others."""
    not_asked: list[str]
    """Ids in the reply that are no row's, each once."""


def numbered(reply: Mapping[str, Any], key: str, count: int) -> Numbered:
    """Return a reply's items by row.

    Args:
        reply: The reply's value.
        key: Where its items are; a reply without it is the one item itself.
        count: Rows of the call.
    """
    asked = ids(count)
    found = reply[key] if key in reply else [{**reply, "id": asked[0]}]
    times = Counter(str(item["id"]) for item in found)
    by_id = {str(item["id"]): item for item in found}
    return Numbered(
        [by_id[one] if times[one] == 1 else None for one in asked],
        ["" if times[one] == 1 else TWICE if times[one] else MISSING for one in asked],
        [one for one in times if one not in asked],
    )
