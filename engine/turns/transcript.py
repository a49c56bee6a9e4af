"""Turns of a conversation, and a conversation as one text that people read and programs read back, turn by turn.

    [tools] [{"name": "find_order", …}]
    [system] You answer for the desk.
    [user] Where is order 4711?
    [call] {"name": "find_order", "arguments": {"number": 4711}}
    [tool] {"status": "sent"}
    [assistant] It was sent.

A turn goes on over the lines behind it. Where a line of what is said looks like the beginning of a turn, a backslash
stands before it. A call belongs to the assistant's turn before it, or is one; answers of tools come in the order of the
calls that they answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

Role = Literal["system", "user", "assistant", "call", "tool", "tools"]


class Message(NamedTuple):
    """One chat turn.

    `tools` holds the definitions of the tools at hand (a JSON list, before all other turns), `call` one call of the
    assistant (a JSON object of `name` and `arguments`), `tool` what the tool answered.
    """

    role: Role
    content: str


SETTING = frozenset({"tools", "system"})
"""Roles of what a conversation stands under: nobody says it."""
_ROLES = "system|user|assistant|call|tool|tools"
_MARK = re.compile(rf"^\[({_ROLES})\](?: |$)", re.M)
_PLAIN = re.compile(rf"^(?=\\*\[(?:{_ROLES})\](?: |$))", re.M)
_ESCAPED = re.compile(rf"^\\(?=\\*\[(?:{_ROLES})\](?: |$))", re.M)


def escaped(text: str) -> str:
    """Return what is said without a line that could be taken for the beginning of a turn."""
    return _PLAIN.sub(r"\\", text) if "[" in text else text


def unescaped(text: str) -> str:
    """Return what was said; the way back from `escaped`."""
    return _ESCAPED.sub("", text) if "\\" in text else text


def transcript(turns: Iterable[Message]) -> str:
    """Return turns as one text; `turns_in` is the way back."""
    return "\n".join(f"[{role}] {escaped(said)}" for role, said in turns)


def is_transcript(text: str) -> bool:
    """Return whether a text begins as a transcript does."""
    return text.startswith("[") and _MARK.match(text) is not None


def turns_in(text: str) -> list[Message]:
    """Return the turns of a transcript; raises ValueError for a text that is none."""
    marks = list(_MARK.finditer(text))
    if not marks or marks[0].start():
        raise ValueError("this is no conversation: no turn begins it, such as `[user] …`")
    ends = [mark.start() - 1 for mark in marks[1:]] + [len(text)]
    return [
        Message(mark[1], unescaped(text[mark.end() : end]))  # type: ignore[arg-type]
        for mark, end in zip(marks, ends, strict=True)
    ]


def spoken(text: str) -> list[str]:
    """Return what is said in a text by itself: each turn of a conversation, but for its setting; else the text."""
    if not is_transcript(text):
        return [text]
    # A line of a log may begin as a turn does: where nobody says anything, it is no conversation.
    said = [said for role, said in turns_in(text) if role not in SETTING and said.strip()]
    return said or [text]


def for_readers(text: str) -> str:
    """Return a text as prompts show it: of a conversation the tools by their names alone, the rest as it stands."""
    if not text.startswith("[tools] "):
        return text
    first, _, rest = text.partition("\n")
    try:
        tools = json.loads(first.removeprefix("[tools] "))
        names = [str(tool["function"]["name"]) for tool in tools]
    except (ValueError, LookupError, TypeError):
        return text
    return f"[tools] {', '.join(names)}\n{rest}"
