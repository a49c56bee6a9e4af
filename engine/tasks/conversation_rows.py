"""Rows of the data that hold a conversation: the answer taken off its end, and columns by which SQL can part rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from engine.tasks.conversation import role_of, said_in
from engine.tasks.tool_calls import invalid
from engine.turns import Message, is_transcript
from engine.turns.calls import Definitions

_LONGEST_SHOWN = 40
"""Characters of a value in a message."""


def listed(raw: Any) -> Any:
    """Return messages as a list where they are in an object or its JSON text; a transcript as it is."""
    if isinstance(raw, str) and not is_transcript(raw):
        try:
            raw = json.loads(raw)
        except ValueError:
            return raw
    if isinstance(raw, Mapping) and "messages" in raw:
        raw = raw["messages"]
    return list(raw) if isinstance(raw, tuple) else raw


def without_answer(raw: list[Any], tools: Definitions, *, answered: bool) -> tuple[list[Any], Any]:
    """Return the messages before the last assistant's, and that one; None where the last is none, and need not be.

    Raises:
        ValueError: there is no answer, or it cannot be read.
    """
    if not raw:
        raise ValueError("the conversation is empty")
    last, number = raw[-1], len(raw)
    try:
        role = role_of(last)
    except ValueError as problem:
        raise ValueError(f"turn {number}: {problem}") from None
    if role not in ("assistant", "call"):
        if answered:
            # The same words for all such rows, however long: they are told once.
            raise ValueError(
                "the conversation does not end on an assistant's turn (docs/data.md, Chat logs, has a `where`)"
            )
        return raw, None
    try:
        if number == 1:
            raise ValueError("no turn is before the answer")
        if why := next(filter(None, (invalid(c, tools) for _, c in said_in(last)[1])), None):
            raise ValueError(why)
    except ValueError as problem:
        raise ValueError(f"turn {number}: {problem}") from None
    return raw[:-1], last


def facts_of(turns: Sequence[Message]) -> dict[str, Any]:
    """Return columns by which users' SQL can part conversations."""
    roles = [turn.role for turn in turns]
    return {
        "turns": roles.count("user") + roles.count("assistant"),
        "calls_before": roles.count("call"),
        "has_tools": "tools" in roles,
        "has_system": "system" in roles,
    }


def add_facts(
    values: dict[str, Any], facts: Mapping[str, Any], of_the_task: Collection[str]
) -> str | None:
    """Add facts to a row's columns; return why not where it has a column of its own that says something else.

    Rows that were exported have them. A column of the task itself, which the recipe names, keeps its name.
    """
    own = {name.lower(): name for name in values}
    for name, fact in facts.items():
        column = own.get(name, name)
        has = values.get(column)
        if column in of_the_task:
            continue
        if has is None:
            values.pop(column, None)
            values[name] = fact
        elif str(has).lower() != str(fact).lower():
            shown = json.dumps(has, ensure_ascii=False, default=str)[:_LONGEST_SHOWN]
            return (
                f"its column '{column}' says {shown}, and SQL has one of that name with the conversation's own"
                f" ({json.dumps(fact)}): give the data's another, `rename: {{own_{name}: {column}}}`"
            )
    return None
