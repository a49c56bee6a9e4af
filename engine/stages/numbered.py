"""Replies about several things at once: each has an id in the prompt, and what is said of it carries that id.

A reply may leave some out, say something twice, or speak of what was never asked. None of that spoils the rest: each is
a `Drop` of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MISSING, TWICE, NOT_ASKED = "missing_in_reply", "twice_in_reply", "not_asked"
"""Reasons of drops: nothing was said of an id, something more than once, or of an id that is none."""
SPARE = 2
"""Items beyond those asked for that a reply may have, so that one too many does not spoil it."""


class Numbered(NamedTuple):
    """What a reply says, by id."""

    items: Mapping[str, Mapping[str, Any]]
    """What is said once, in the order of the ids."""
    unusable: Mapping[str, str]
    """Each other id -> MISSING or TWICE: of two answers nobody knows which is meant."""
    not_asked: Sequence[str]
    """Ids in the reply that are none, each once."""


def by_id(reply: Mapping[str, Any], key: str, ids: Sequence[str]) -> Numbered:
    """Return what a reply says of each id.

    Args:
        reply: A list of items with an `id` under `key`; or, from a model that is asked of one thing a call, the item
            itself, which is then that of the first id.
        key: Where the list stands.
        ids: What was asked of.
    """
    listed = reply[key] if key in reply else [{**reply, "id": ids[0]}]
    said = [(str(item["id"]).strip().casefold(), item) for item in listed]
    times = Counter(name for name, _ in said)
    items = dict(said)
    return Numbered(
        {name: items[name] for name in ids if times[name] == 1},
        {name: TWICE if times[name] else MISSING for name in ids if times[name] != 1},
        [name for name in times if name not in ids],
    )


def for_items(schema: Mapping[str, Any], key: str, count: int) -> Mapping[str, Any]:
    """Return a reply's schema with room for so many items under `key`; one without a list stays as it is."""
    properties = schema["properties"]
    if key not in properties:
        return schema
    listed = {**properties[key], "maxItems": count + SPARE}
    return {**schema, "properties": {**properties, key: listed}}
