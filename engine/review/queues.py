"""Queues: which rows a person is shown, in which order.

The order is the same for everybody, so two reviewers who each look at twenty rows look at the same twenty; what the
other said is no part of an item. Rows that trained the student come first, then those that were left over, then those
that were rejected; within each, the patterns in turn.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Literal, get_args

from engine.errors import EngineError
from engine.fingerprint import short
from engine.registry import did_you_mean
from engine.report.records import Query
from engine.review.items import (
    Item,
    Reviewable,
    candidates,
    data_rows,
    suspects,
    with_answers,
)
from engine.rows import Said, Subject

Queue = Literal["candidates", "suspect", "disagreement", "pool", "conflicts"]
QUEUES: Sequence[Queue] = get_args(Queue)
MINED = "mine"
"""The operator whose rows come from the pool."""
_STANDING = (
    "SELECT subject, example, places, verdict, changes FROM all_reviews"
    " WHERE recipe = ? AND reviewer = ? AND stands"
)
_CONFLICTS = (
    "SELECT subject, example FROM review_outcomes WHERE recipe = ? AND verdict = 'conflict'"
    " ORDER BY made, example, subject"
)


def parse_queue(name: str) -> Queue:
    """Return a queue by its name; raises EngineError for another."""
    for queue in QUEUES:
        if name == queue:
            return queue
    raise EngineError(
        f"there is no queue '{name}'", did_you_mean(name, QUEUES) or f"one of: {', '.join(QUEUES)}"
    )


def waiting(
    query: Query, place: Reviewable, queue: Queue, reviewer: str, pattern: str | None = None
) -> list[Item]:
    """Return the rows of a queue of which this reviewer has said nothing yet, in order.

    A row waits again where it has come up since in another seed or an earlier round, and where a verdict that changed
    nothing then would change something now: rows are made anew where what comes before them has changed.

    Raises:
        EngineError: there is no such pattern among the queue's rows.
    """
    items = queue_items(query, place, queue, pattern)
    known = {
        (row["subject"], row["example"]): row for row in query(_STANDING, [place.recipe, reviewer])
    }
    return [item for item in items if item.key not in known or not settles(known[item.key], item)]


def queue_items(
    query: Query, place: Reviewable, queue: Queue, pattern: str | None = None
) -> list[Item]:
    """Return all rows of a queue in order, whoever said something of them.

    Raises:
        EngineError: there is no such pattern among them.
    """
    items = (
        conflicts(query, place)
        if queue == "conflicts"
        else _ordered(_WHICH[queue](query, place.run))
    )
    return items if pattern is None else _against(items, pattern)


def changes(item: Item, verdict: Said) -> bool:
    """Return whether a verdict changes what was trained on, or what would be without people's verdicts.

    A row that is left out because somebody rejected it is trained on again where only verdicts that change nothing are
    left.
    """
    return item.ruled or _changes_now(item, verdict)


def _changes_now(item: Item, verdict: Said) -> bool:
    """Return whether a verdict changes what was trained on."""
    if verdict == "accept":
        return item.subject == "candidate" and not item.trained_everywhere
    if verdict == "reject" and item.subject == "candidate":
        return item.state == "trained on"
    return item.subject != "validation"


def sample(query: Query, place: Reviewable, items: Sequence[Item], n: int) -> list[Item]:
    """Return the first rows of a queue, with all that is known of them."""
    return with_answers(query, place.run, items[:n])


def conflicts(query: Query, place: Reviewable) -> list[Item]:
    """Return the rows on which reviewers do not agree, in the order in which that came up."""
    wanted = [(row["subject"], row["example"]) for row in query(_CONFLICTS, [place.recipe])]
    known = _by_key(query, place, [example for _, example in wanted])
    return [known[key] for key in wanted if key in known]


def found(
    query: Query, place: Reviewable, examples: Sequence[str], queue: Queue
) -> dict[str, Item]:
    """Return rows by their ids, whatever queue they are in; of two that are the same row, the one of this queue."""
    known = _by_key(query, place, examples)
    in_conflict = {item.key for item in conflicts(query, place)} if queue == "conflicts" else set()

    def fits(item: Item) -> bool:
        if in_conflict:
            return item.key in in_conflict
        return (item.subject == "candidate") != (queue == "suspect")

    # The last one stays.
    return {item.example: item for item in sorted(known.values(), key=fits)}


def _by_key(
    query: Query, place: Reviewable, examples: Sequence[str]
) -> dict[tuple[Subject, str], Item]:
    """Return the rows that bear these ids: candidates, suspects, and other rows of the data."""
    wanted = set(examples)
    every = [
        *data_rows(query, place.run, sorted(wanted)).values(),
        *suspects(query, place.run),
        *candidates(query, place.run),
    ]
    return {item.key: item for item in every if item.example in wanted}


def disagree(item: Item) -> bool:
    """Return whether those who looked at a row say different things: gates and judge, or who answered it blind."""
    if item.agreement is not None and item.agreement < 1:
        return True
    if item.judge_agrees is None:
        return False
    return item.judge_agrees == bool(item.advice)


def _candidates(query: Query, run: str) -> list[Item]:
    return candidates(query, run)


def _disagreement(query: Query, run: str) -> list[Item]:
    return [item for item in candidates(query, run) if disagree(item)]


def _pool(query: Query, run: str) -> list[Item]:
    return [
        item
        for item in candidates(query, run)
        if item.operator == MINED and item.label_source != "column"
    ]


_WHICH: Mapping[Queue, Callable[[Query, str], list[Item]]] = {
    "candidates": _candidates,
    "suspect": suspects,
    "disagreement": _disagreement,
    "pool": _pool,
}
_TIERS = {"in the data": 0, "trained on": 0, "left out": 1, "rejected": 2}


def _ordered(items: Sequence[Item]) -> list[Item]:
    """Return items tier by tier, in each the patterns in turn; rows of the data stay as they are."""
    turns: dict[tuple[int, str], count[int]] = {}
    keyed = []
    for item in sorted(items, key=lambda item: short(["review", item.example])):
        tier = _TIERS[item.state]
        turn = next(turns.setdefault((tier, item.pattern), count()))
        keyed.append(((tier, turn, item.pattern), item))
    if any(item.doubt for item in items):
        return list(items)
    return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]


def _against(items: Sequence[Item], pattern: str) -> list[Item]:
    """Return the rows against one pattern, named by its id, the beginning of it, or its name."""
    names = {item.pattern: item.pattern_name for item in items if item.pattern}
    wanted = {
        one
        for one, name in names.items()
        if one.startswith(pattern) or name.casefold() == pattern.casefold()
    }
    if len(wanted) != 1:
        known = [name or one for one, name in names.items()]
        if wanted:
            said = ", ".join(sorted(names[one] or one for one in wanted))
            raise EngineError(f"'{pattern}' is the beginning of several patterns", said)
        raise EngineError(
            f"no row of this queue is against a pattern '{pattern}'",
            did_you_mean(pattern, known) or f"there are: {', '.join(sorted(known)) or 'none'}",
        )
    return [item for item in items if item.pattern in wanted]


def _places(value: Any) -> list[tuple[int, int]]:
    parsed = json.loads(value) if isinstance(value, str) else value
    return [(int(seed), int(round)) for seed, round in parsed]


def settles(said: Mapping[str, Any], item: Item) -> bool:
    """Return whether a verdict holds for every place where a row is a candidate (later ones too), and as it is now."""
    places = _places(said["places"])
    if not all(any(s == seed and r <= round for s, r in places) for seed, round in item.places):
        return False
    return bool(said["changes"]) or not _changes_now(item, said["verdict"])
