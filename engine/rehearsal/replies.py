"""What stands in for a reply in a rehearsal: nothing usable, or one invented for the schema, item by item."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from engine.backends.protocol import Request
from engine.backends.replies import failed
from engine.backends.scripting.values import instance
from engine.backends.scripting.words import last_user_message, words_of
from engine.backends.structured import Reply

_ID = re.compile(r"\b([a-z])(\d{1,3})\b")


def none_usable(request: Request) -> Reply:
    """Return no reply: stages fall back to what they say where a model fails."""
    return failed("rehearsed", "nobody is asked in a rehearsal")


def invented(request: Request) -> Reply:
    """Return a reply that fits the schema, its texts words of the prompt, with one item per id in the prompt."""
    message = last_user_message(request.messages)
    words = words_of(message) or ["nothing"]
    if request.schema is None:
        return Reply(" ".join(words))
    rng = random.Random(request.id)
    value = instance(request.schema, rng, words)
    return Reply(_about(ids_in(message), value, request.schema, rng, words))


def ids_in(text: str) -> list[str]:
    """Return the ids of a prompt's items, such as f1, f2, f3: a letter with the numbers from 1 on."""
    numbers: dict[str, set[int]] = {}
    for letter, number in _ID.findall(text):
        numbers.setdefault(letter, set()).add(int(number))
    runs = {letter: _from_one(found) for letter, found in numbers.items()}
    letter = max(runs, key=lambda letter: runs[letter], default="")
    return [f"{letter}{number}" for number in range(1, runs.get(letter, 0) + 1)]


def _from_one(numbers: set[int]) -> int:
    last = 0
    while last + 1 in numbers:
        last += 1
    return last


def _about(
    ids: Sequence[str],
    value: Any,
    schema: Mapping[str, Any],
    rng: random.Random,
    words: Sequence[str],
) -> Any:
    """Return a reply whose lists of items with an `id` hold one item per id."""
    if not ids or not isinstance(value, Mapping):
        return value
    filled = dict(value)
    for name, part in schema.get("properties", {}).items():
        items = part.get("items", {}) if isinstance(part, Mapping) else {}
        if name not in schema.get("required", (name,)):
            # Such as rows that are left out: the others are answered.
            filled.pop(name, None)
        elif "id" in items.get("properties", {}):
            whole = {**items, "$defs": schema.get("$defs", {})}
            filled[name] = [{**instance(whole, rng, words), "id": one} for one in ids]
    return filled
