"""What can go wrong with a server, by name, and scripts that say when it does.

A script is a function of (row, attempt) alone, so a run's faults do not depend on the order in which requests come.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

HUGE = 5 * 1024 * 1024
"""Characters of a huge reply."""
DEPTH = 100_000
"""Brackets of a nested reply."""

NO_REPLY = (
    "rate_limit", "rate_limit_after", "rate_limit_date", "error_500", "error_502", "error_503",
    "leaks_key", "drop", "hang", "truncated_body", "not_json", "empty_body", "empty_choices",
    "null_content", "not_an_object",
)  # fmt: skip
"""Nothing that could be read as a reply comes: the same request may be sent again."""
BAD_REPLY = (
    "invalid_json", "breaks_schema", "numbers_as_strings", "duplicate_keys", "control_characters",
    "lone_surrogate", "half_character", "infinite", "nested", "prose", "huge", "length",
    "content_filter", "refusal", "thinking", "hidden_thinking",
)  # fmt: skip
"""A reply comes, is paid for, and cannot be used."""
USABLE = (
    "escaped_control", "no_usage", "stream", "thought", "thought_in_template", "fenced", "fenced_in_prose",
    "thought_fenced",
)  # fmt: skip
"""Odd, but all that was asked for is there; a client may also do without `stream`."""
OF_THE_ROW = ("filtered", "odd_refusal")
"""A row that the server refuses for what it says: asking again is no use, asking for others is."""
REFUSED = (
    "unauthorized", "forbidden", "unknown_model", "wrong_path", "bad_schema", "too_long", *OF_THE_ROW,
)  # fmt: skip
"""Mistakes of whoever configured the client, mostly: asking again is no use."""
MESSAGES = ("overloaded", "timeout_error", "billing", "no_credit", "spend_limit", "monthly_limit")
"""What only a server that speaks the Messages API says."""
KINDS = (*NO_REPLY, *BAD_REPLY, *USABLE, *REFUSED, *MESSAGES)

MIXED = (
    "rate_limit", "rate_limit_after", "error_500", "error_502", "error_503", "drop", "hang",
    "truncated_body", "not_json", "empty_choices", "invalid_json", "breaks_schema",
    "numbers_as_strings", "duplicate_keys", "lone_surrogate", "length", "content_filter", "refusal",
)  # fmt: skip
"""What a bad day brings: every one of these passes when the request is asked again."""


@dataclass(frozen=True, slots=True)
class Script:
    """What goes wrong when. The first of these that says something holds: `rows`, `attempts`, `always`, `rate`."""

    rows: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    """Faults of a row's first, second, … asking; a row that was asked more often gets its reply."""
    attempts: tuple[str | None, ...] = ()
    """The same for all other rows."""
    always: str | None = None
    rate: float = 0.0
    """Share of the askings that go wrong, 0 to 1, drawn by seed, row and attempt."""
    kinds: tuple[str, ...] = MIXED
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a fault nobody knows: a misspelt one would make a test that cannot fail."""
        named = [name for faults in (*self.rows.values(), self.attempts) for name in faults]
        for name in (*named, self.always, *self.kinds):
            if name is not None and name not in KINDS:
                raise ValueError(f"no fault {name!r}; there are {', '.join(KINDS)}")

    def fault(self, row: str, attempt: int) -> str | None:
        """Return what goes wrong when `row` is asked for the `attempt`-th time, from 0; None for nothing."""
        listed = self.rows.get(row, self.attempts)
        if listed:
            return listed[attempt] if attempt < len(listed) else None
        if self.always is not None:
            return self.always
        chance = random.Random(f"{self.seed}:{row}:{attempt}")
        return chance.choice(self.kinds) if chance.random() < self.rate else None


def spoiled(fault: str, value: Any) -> str:
    """Return the text of a reply whose JSON should have been `value`."""
    if fault not in _SPOILED:
        return dump(value)
    return _SPOILED[fault](value)


def dump(value: Any) -> str:
    """Return compact JSON with its keys in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _duplicate_keys(value: Any) -> str:
    if not isinstance(value, dict) or not value:
        return '{"a":1,"a":2}'
    key = next(iter(value))
    return f"{{{dump(key)}:{dump(value[key])},{dump(value)[1:]}"


def _numbers_as_strings(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers_as_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers_as_strings(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def with_text(value: Any, text: str) -> Any:
    """Return `value` with the start of its first text replaced by `text`, no longer than it was."""
    if isinstance(value, str):
        return text + value[len(text) :]
    if isinstance(value, list):
        return [with_text(item, text) if i == 0 else item for i, item in enumerate(value)]
    if isinstance(value, dict):
        found = next(
            (key for key, item in value.items() if isinstance(item, str | list | dict)), None
        )
        return {k: with_text(item, text) if k == found else item for k, item in value.items()}
    return value


_SPOILED: dict[str, Callable[[Any], str]] = {
    "invalid_json": lambda value: dump(value)[:-1] + ",",
    "breaks_schema": lambda value: dump(
        {"unasked": value} if isinstance(value, dict) else {"value": 0}
    ),
    "numbers_as_strings": lambda value: dump(_numbers_as_strings(value)),
    "duplicate_keys": _duplicate_keys,
    # Raw control characters inside a text: not JSON.
    "control_characters": lambda value: dump(with_text(value, "~~~")).replace("~~~", "\x00\x07\n"),
    # The same, escaped: JSON as good as any.
    "escaped_control": lambda value: dump(with_text(value, "\x00\x07\x1b")),
    "lone_surrogate": lambda value: dump(with_text(value, "~")).replace("~", "\\ud83d", 1),
    "infinite": lambda value: re.sub(r"(?<=:)-?\d+(\.\d+)?", "1e999", dump(value), count=1),
    "nested": lambda value: "[" * DEPTH + "]" * DEPTH,
    "fenced": lambda value: f"```json\n{dump(value)}\n```",
    "fenced_in_prose": lambda value: f"Here it is:\n\n```\n{dump(value)}\n```\nGood luck!",
    "thought_fenced": lambda value: (
        f"<think>\nNot ```{{this}}```.\n</think>\n\n```json\n{dump(value)}```"
    ),
    "prose": lambda value: "Sure! Here is what I think about it: it depends.",
    "huge": lambda value: dump(with_text(value, "x" * HUGE)),
    "length": lambda value: dump(value)[: max(1, len(dump(value)) // 2)],
    "content_filter": lambda value: "",
    # Thinking in the reply, cut before it ends; hidden thinking that leaves nothing to say.
    "thinking": lambda value: "<think>\nWhat is asked? Perhaps {" + dump(value)[:20],
    "hidden_thinking": lambda value: "",
    # Thinking in the reply, ended; of some models the chat template has begun it.
    "thought": lambda value: "<think>\nNot {this}.\n</think>\n\n" + dump(value),
    "thought_in_template": lambda value: "Not {this}.\n</think>\n\n" + dump(value),
    "refusal": lambda value: "I'm sorry, I cannot help with that.",
}
