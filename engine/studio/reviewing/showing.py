"""Rows for a page: each text as it is shown, and as it is where somebody may edit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.review import Desk, Entry, Item, about
from engine.studio.answers import Verbatim, short
from engine.system.plain_text import is_plain


def field(text: str) -> dict[str, Any]:
    """Return a text to be shown, and the exact one where that is another."""
    return {"text": text, "exact": None if is_plain(text) else Verbatim(text)}


def item(one: Item, desk: Desk) -> dict[str, Any]:
    """Return a row whole, with all that a reviewer is to know of it."""
    return {
        **_head(one),
        "inputs": [{"name": name, **field(text)} for name, text in one.inputs.items()],
        "target": field(one.target),
        "places": one.places,
        "about": [{"name": name, "text": text} for name, text in about(one)],
        "others": desk.others(one),
    }


def entry(one: Entry) -> dict[str, Any]:
    """Return a row as a list has it."""
    return {
        **_head(one.item),
        "inputs": {name: short(text) for name, text in one.item.inputs.items()},
        "target": short(one.item.target),
        "waits": one.waits,
        "said": [
            {
                "reviewer": word.reviewer,
                "verdict": word.verdict,
                "reason": word.reason,
                "note": word.note,
                "inputs": _changed(one.item, word.inputs),
                "target": short(word.target) if word.target != one.item.target else None,
                "made": word.made,
            }
            for word in one.said
        ],
    }


def _changed(one: Item, inputs: Mapping[str, str] | None) -> dict[str, str | None]:
    """Return the texts that a verdict changes."""
    return {
        name: short(text) for name, text in (inputs or {}).items() if text != one.inputs.get(name)
    }


def _head(one: Item) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "example": one.example,
        "row": one.candidate or one.example,
        "state": one.state,
        "reason": one.reason,
        "pattern": one.pattern if one.pattern_name else "",
        "pattern_name": one.pattern_name,
    }


def choices(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return what a list can be narrowed to: patterns and targets, the most frequent first, and who said something."""
    patterns: dict[str, tuple[str, int]] = {}
    targets: dict[str, int] = {}
    for one in entries:
        if one.item.pattern_name:
            _, count = patterns.get(one.item.pattern, ("", 0))
            patterns[one.item.pattern] = (one.item.pattern_name, count + 1)
        targets[one.item.target] = targets.get(one.item.target, 0) + 1
    return {
        "patterns": [
            {"id": pattern, "name": name, "rows": rows}
            for pattern, (name, rows) in sorted(patterns.items(), key=lambda pair: -pair[1][1])
        ],
        # Long targets are texts, and no label of which there are several.
        "targets": [
            {**field(target), "rows": rows}
            for target, rows in sorted(targets.items(), key=lambda pair: -pair[1])
            if len(target) <= 200
        ][:MOST_TARGETS],
        "reviewers": sorted({word.reviewer for one in entries for word in one.said}),
    }


MOST_TARGETS = 500
"""Targets that are offered to narrow a list to."""
