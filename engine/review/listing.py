"""A queue as a list: every row of it, what was said of each, and what the list can be narrowed to.

What others said of a row is told where a reviewer has said something of it, or ends disagreements: who knows it before
follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from engine.report.facts.json_columns import text_values
from engine.report.records import Query
from engine.review.items import Item, Reviewable
from engine.review.queues import Queue, queue_items, settles

_WORDS = (
    "SELECT subject, example, reviewer, verdict, reason, note, new_inputs, new_target, made, places, changes"
    " FROM all_reviews WHERE recipe = ? AND stands ORDER BY made, id"
)
WAITS = "waits"
"""In place of a verdict: rows of which the reviewer has still to say something."""


class Word(NamedTuple):
    """What one reviewer said last of a row."""

    reviewer: str
    verdict: str
    reason: str
    note: str
    inputs: Any
    """Texts by column of what it should be; None where it is not changed."""
    target: str | None
    made: datetime
    """UTC."""


class Entry(NamedTuple):
    """One row of a list."""

    item: Item
    said: Sequence[Word]
    """By this reviewer, and by others where that may be told."""
    waits: bool
    """Whether this reviewer has something to say of it."""


class Narrowed(NamedTuple):
    """What a list is narrowed to; empty is anything."""

    pattern: str = ""
    """The pattern's id."""
    target: str = ""
    reviewer: str = ""
    verdict: str = ""
    """One of the verdicts, or `waits`."""
    search: str = ""
    """In the row's texts."""


def listed(
    query: Query, place: Reviewable, queue: Queue, reviewer: str, *, tells: bool = False
) -> list[Entry]:
    """Return all rows of a queue in order, with what was said of them; `tells`: also by others, whoever said what."""
    said: dict[tuple[str, str], list[Any]] = {}
    for row in query(_WORDS, [place.recipe]):
        said.setdefault((row["subject"], row["example"]), []).append(row)
    return [
        _entry(item, said.get(item.key, []), reviewer, tells)
        for item in queue_items(query, place, queue)
    ]


def _entry(item: Item, rows: Sequence[Any], reviewer: str, tells: bool) -> Entry:
    own = [row for row in rows if row["reviewer"] == reviewer]
    told = rows if own or tells else ()
    words = [
        Word(
            row["reviewer"],
            row["verdict"],
            row["reason"],
            row["note"],
            None if row["new_inputs"] is None else text_values(row["new_inputs"]),
            row["new_target"],
            row["made"],
        )
        for row in told
    ]
    return Entry(item, words, not any(settles(row, item) for row in own))


def narrowed(entries: Iterable[Entry], to: Narrowed) -> list[Entry]:
    """Return the rows of a list that fit."""
    return [entry for entry in entries if _fits(entry, to)]


def _fits(entry: Entry, to: Narrowed) -> bool:
    item = entry.item
    if (to.pattern and item.pattern != to.pattern) or (to.target and item.target != to.target):
        return False
    if to.search:
        text = "\n".join((*item.inputs.values(), item.target)).casefold()
        if to.search.casefold() not in text:
            return False
    words = [word for word in entry.said if to.reviewer in ("", word.reviewer)]
    if to.verdict == WAITS:
        return entry.waits
    if to.verdict:
        return any(word.verdict == to.verdict for word in words)
    return bool(words) or not to.reviewer
