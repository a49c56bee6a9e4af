"""Replies about several things at once: each has an id in the prompt, and what is said of it carries that id.

A reply may leave some out, say something twice, or speak of what was never asked. None of that spoils the rest: each is
a `Drop` of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast

from engine.backends.protocol import Completion
from engine.fingerprint import short
from engine.rows import Drop
from engine.rows.reasons import ReplyError

T = TypeVar("T")
MISSING: Final = "missing_in_reply"
TWICE: Final = "twice_in_reply"
NOT_ASKED: Final = "not_asked"
"""Reasons of drops: nothing was said of an id, something more than once, or of an id that is none."""


def ids(count: int, letter: str = "r") -> list[str]:
    """Return the ids of the things of one call: a letter, and a number from 1."""
    return [f"{letter}{number}" for number in range(1, count + 1)]


def calls_of(items: Sequence[T], keys: Sequence[Any], per_call: int) -> list[list[T]]:
    """Return items shuffled and parted into calls of about the same size, the same for the same keys.

    Args:
        items: What is asked about.
        keys: One per item, what it is by content: another run with the same items makes the same calls.
        per_call: Most items of one call.
    """
    order = sorted(range(len(items)), key=lambda place: (short(keys[place]), place))
    count = math.ceil(len(items) / per_call)
    return [[items[place] for place in order[number::count]] for number in range(count)]


class Numbered(NamedTuple):
    """What a reply says, by id."""

    items: Mapping[str, Mapping[str, Any]]
    """What is said once, in the order of the ids."""
    unusable: Mapping[str, Literal["missing_in_reply", "twice_in_reply"]]
    """Each other id -> MISSING or TWICE: of two answers nobody knows which is meant."""
    not_asked: Sequence[str]
    """Ids in the reply that are none, each once."""


def by_id(reply: Mapping[str, Any], key: str, asked: Sequence[str]) -> Numbered:
    """Return what a reply says of each id.

    Args:
        reply: A list of items with an `id` under `key`; or, from a model that is asked of one thing a call, the item
            itself, which is then that of the first id.
        key: Where the list stands.
        asked: Ids of what was asked of.
    """
    listed = reply[key] if key in reply else [{**reply, "id": asked[0]}]
    said = [(str(item["id"]).strip().casefold(), item) for item in listed]
    times = Counter(name for name, _ in said)
    items = dict(said)
    return Numbered(
        {name: items[name] for name in asked if times[name] == 1},
        {name: TWICE if times[name] else MISSING for name in asked if times[name] != 1},
        [name for name in times if name not in asked],
    )


def unanswered(reply: Completion) -> ReplyError:
    """Return why a reply cannot be used, as the reason of a drop."""
    return cast(ReplyError, reply.error or "no_reply")


def drops(
    stage: str, found: Numbered, items: Mapping[str, str], call: str, where: str = "the reply"
) -> Iterator[Drop]:
    """Yield a drop per item of which a reply says nothing or two things, and per id in it that is none.

    Args:
        stage: Whose drops they are.
        found: What the reply says.
        items: Id in the call -> the item that is dropped.
        call: The call.
        where: What the details begin with.
    """
    for name, reason in found.unusable.items():
        says = "nothing of it" if reason == MISSING else "two things of it"
        yield Drop(stage, items[name], reason, f"{where} says {says} ({name})")
    for name in found.not_asked:
        shown = name[:20]
        detail = f"{where} speaks of '{shown}', which is not in the call"
        yield Drop(stage, f"{call} {shown}", NOT_ASKED, detail)
