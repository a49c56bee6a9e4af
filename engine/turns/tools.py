"""Turns with tools as models take them: as messages of the OpenAI format, or in words where a template knows no tools.

In words, the definitions stand at the end of the system turn, a call is an object of `name` and `arguments` between
`<tool_call>` and `</tool_call>` in the assistant's turn, and an answer `<tool_response>…</tool_response>` in a user's
turn: the form of Hermes (https://github.com/NousResearch/Hermes-Function-Calling), which Qwen's templates have, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.turns.transcript import Message

OF_TOOLS = frozenset({"tools", "call", "tool"})
"""Roles of turns that only tools bring about."""
TOLD = (
    "You can call these tools. To call one, write its name and arguments as JSON between <tool_call> and "
    "</tool_call>:\n"
    '<tool_call>\n{"name": "…", "arguments": {…}}\n</tool_call>\n<tools>\n%s\n</tools>'
)
"""What the system turn says of tools; `%s` stands for their definitions, one a line."""


def has_tools(turns: Sequence[Message]) -> bool:
    """Return whether tools are defined, called or answer in these turns."""
    return any(turn.role in OF_TOOLS for turn in turns)


class NativeTurns(NamedTuple):
    """Turns in the OpenAI format."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    """Definitions; none where the conversation has no tools."""


class Said(NamedTuple):
    """One turn of the assistant: what it says, and what it calls."""

    text: str
    calls: tuple[str, ...] = ()
    """Each a JSON object of `name` and `arguments`."""

    @property
    def turns(self) -> tuple[Message, ...]:
        """It as turns: what is said, then each call."""
        text = () if self.calls and not self.text.strip() else (Message("assistant", self.text),)
        return (*text, *(Message("call", call) for call in self.calls))


def texts_in(turn: Message) -> list[str]:
    """Return all texts of a turn: what it holds, and the texts in the JSON of a call or of definitions."""
    found = [turn.content]

    def take(text: str) -> str:
        found.append(text)
        return text

    mapped(turn, take)
    return found


def mapped(turn: Message, change: Callable[[str], str]) -> Message:
    """Return a turn with each of its texts changed; of a call or of definitions, those in its JSON."""
    if turn.role in ("call", "tools"):
        try:
            value = mapped_texts(json.loads(turn.content), change)
        except ValueError:
            pass
        else:
            return Message(turn.role, json.dumps(value, ensure_ascii=False))
    return Message(turn.role, change(turn.content))


def mapped_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with each text in it changed, names of fields as well."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(name): mapped_texts(part, change) for name, part in value.items()}
    return [mapped_texts(part, change) for part in value] if isinstance(value, list) else value


def call_id(number: int) -> str:
    """Return the id of a conversation's call, counted from 0: nine letters and digits, as some templates want it."""
    return f"call{number:05d}"


def native(turns: Sequence[Message], *, parsed: bool) -> NativeTurns:
    """Return turns as messages with `tool_calls`, tools beside them.

    Args:
        turns: The turns.
        parsed: Whether arguments are objects, as chat templates take them, and not texts, as servers do.
    """
    messages: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] = []
    open_calls: list[tuple[str, str]] = []
    count = 0
    for role, said in turns:
        if role == "tools":
            tools = json.loads(said)
        elif role == "call":
            call = json.loads(said)
            identity = call_id(count)
            count += 1
            last = messages[-1] if messages else {}
            if last.get("role") != "assistant":
                last = {"role": "assistant", "content": ""}
                messages.append(last)
            arguments = call["arguments"]
            function = {
                "name": call["name"],
                "arguments": arguments if parsed else json.dumps(arguments, ensure_ascii=False),
            }
            one = {"id": identity, "type": "function", "function": function}
            last.setdefault("tool_calls", []).append(one)
            open_calls.append((identity, call["name"]))
        elif role == "tool":
            identity, name = open_calls.pop(0) if open_calls else ("", "")
            messages.append(
                {"role": "tool", "tool_call_id": identity, "name": name, "content": said}
            )
        else:
            open_calls = []
            messages.append({"role": role, "content": said})
    return NativeTurns(messages, tools)


def in_words(turns: Sequence[Message]) -> tuple[Message, ...]:
    """Return turns of system, user and assistant alone, whose texts hold the tools, their calls and their answers."""
    told: list[Message] = []
    defined = ""
    for turn in _joined(turns):
        if turn.role == "tools":
            lines = (json.dumps(tool, ensure_ascii=False) for tool in json.loads(turn.content))
            defined = TOLD % "\n".join(lines)
        else:
            told.append(turn)
    if not defined:
        return tuple(told)
    if told and told[0].role == "system":
        first, *rest = told
        return (Message("system", f"{first.content}\n\n{defined}"), *rest)
    return (Message("system", defined), *told)


def _joined(turns: Sequence[Message]) -> Iterator[Message]:
    """Yield turns with calls in the assistant's words, and what tools answer in one turn of the user."""
    said: Message | None = None
    for role, content in turns:
        now: Message
        joins = False
        if role == "call":
            now = Message("assistant", call_in_words(content))
            joins = said is not None and said.role == "assistant"
        elif role == "tool":
            now = Message("user", f"<tool_response>\n{content}\n</tool_response>")
            joins = said is not None and said.content.endswith("</tool_response>")
        else:
            now = Message(role, content)
        if joins and said is not None:
            said = Message(said.role, f"{said.content}\n{now.content}")
            continue
        if said is not None:
            yield said
        said = now
    if said is not None:
        yield said


def call_in_words(call: str) -> str:
    """Return one call, a JSON object, as it is said where a template knows none."""
    return f"<tool_call>\n{call}\n</tool_call>"


def in_assistant_words(said: Said) -> str:
    """Return a turn of the assistant as it is said where a template knows no calls."""
    parts = [said.text] if said.text.strip() or not said.calls else []
    return "\n".join([*parts, *map(call_in_words, said.calls)])


def called(message: Mapping[str, Any]) -> list[str]:
    """Return the calls of a server's message, each as a JSON object; one that cannot be read as it stands."""
    calls = []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        arguments = function.get("arguments") or "{}"
        try:
            parsed = json.loads(arguments) if isinstance(arguments, str) else arguments
        except ValueError:
            calls.append(
                f'{{"name": {json.dumps(function.get("name"))}, "arguments": {arguments}}}'
            )
            continue
        calls.append(
            json.dumps({"name": function.get("name"), "arguments": parsed}, ensure_ascii=False)
        )
    return calls
