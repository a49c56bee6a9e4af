"""Conversations as data has them: messages of the OpenAI format (or ShareGPT's) to turns, every mistake by its turn.

Read as well: `developer` for system, the older `function_call` and role `function`, arguments as text or as an object,
contents in parts, as far as these are text. Definitions of tools may be as OpenAI or Anthropic have them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.backends.structured import invalid_schema
from engine.registry import did_you_mean
from engine.turns import SETTING, Message, is_transcript, turns_in
from engine.turns.calls import kind_of, parsed, read_call, written_call
from engine.turns.schemas import referred

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "call": "call",
    "function_call": "call",
}
"""Role as the data calls it -> role here."""
_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": None}
"""Types that the Berkeley Function-Calling Leaderboard's definitions have beside those of JSON Schema."""
REFERENCES = 4
"""References one after the other that are followed to a tool's arguments."""

Check = Callable[[Mapping[str, Any]], str | None]
"""Says what is wrong with a call."""


def conversation_in(value: Any, check: Check = lambda call: None) -> list[Message]:
    """Return the turns of a conversation: a list of messages, its JSON text, or a transcript.

    Args:
        value: The conversation.
        check: What its calls must pass.

    Raises:
        ValueError: what is wrong with it, with the turn's number, from 1.
    """
    if isinstance(value, str):
        if is_transcript(value):
            return checked(turns_in(value), check)
        value = parsed(value, "the conversation is neither a list of messages nor JSON")
    if isinstance(value, Mapping) and "messages" in value:
        value = value["messages"]
    if not isinstance(value, list | tuple):
        raise ValueError(f"the conversation is a {kind_of(value)}, not a list of messages")
    if not value:
        raise ValueError("the conversation is empty")
    reader = _Reader(check)
    for number, message in enumerate(value, 1):
        try:
            reader.take(message)
        except ValueError as problem:
            raise ValueError(f"turn {number}: {problem}") from None
    if reader.answers:
        raise ValueError(f"turn {len(value)}: {reader.unanswered()}")
    return checked(reader.turns)


class _Reader:
    """Takes the messages of a conversation, one after the other."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self.turns: list[Message] = []
        self.opened: list[tuple[str, str]] = []
        """Calls of the last turn that await their answers: id and name."""
        self.answers: dict[int, str] = {}
        """Answers so far, by the place of their call."""

    def take(self, message: Any) -> None:
        """Take the next message; raises ValueError with what is wrong with it."""
        role = role_of(message)
        if role == "tool":
            self._answer(message)
            return
        if len(self.answers) < len(self.opened):
            raise ValueError(self.unanswered())
        if role in ("assistant", "call"):
            text, calls = said_in(message)
            if why := next(filter(None, (self._check(call) for _, call in calls)), None):
                raise ValueError(why)
            if text.strip():
                self.turns.append(Message("assistant", text))
            self.turns += [Message("call", written_call(call)) for _, call in calls]
            self.opened = [(identity, str(call["name"])) for identity, call in calls]
        elif role == "system":
            self._tell(content_of(message))
        else:
            self.turns.append(Message("user", content_of(message)))

    def unanswered(self) -> str:
        """Return which call has no answer."""
        name = next(n for place, (_, n) in enumerate(self.opened) if place not in self.answers)
        return f"the call of '{name}' before it has no answer"

    def _tell(self, text: str) -> None:
        if not self.turns:
            self.turns.append(Message("system", text))
        elif [turn.role for turn in self.turns] == ["system"]:
            self.turns = [Message("system", f"{self.turns[0].content}\n\n{text}")]
        else:
            raise ValueError("a system turn can only be the first")

    def _answer(self, message: Mapping[str, Any]) -> None:
        place = _answered(message, self.opened, self.answers)
        self.answers[place] = content_of(message, empty=True)
        if len(self.answers) == len(self.opened):
            self.turns += [Message("tool", self.answers[i]) for i in range(len(self.opened))]
            self.opened, self.answers = [], {}


def checked(turns: Sequence[Message], check: Check = lambda call: None) -> list[Message]:
    """Return turns in normal form, in which calls and answers go together.

    Calls and definitions of tools are JSON on one line, as messages' are: a transcript may have them in any form.

    Raises:
        ValueError: a turn is out of order, says nothing or cannot be read.
    """
    if not any(turn.role not in SETTING for turn in turns):
        raise ValueError("the conversation is empty")
    normal: list[Message] = []
    before: str | None = None
    waiting = 0
    for number, (role, content) in enumerate(turns, 1):
        try:
            if role == "tools" and before is not None:
                raise ValueError("a tools turn can only be the first")
            if role == "system" and before not in (None, "tools"):
                raise ValueError("a system turn can only be the first")
            if role == "tool" and not waiting:
                raise ValueError("a tool answers, and nothing was called")
            if waiting and role != "tool" and not (role == before == "call"):
                raise ValueError("a call before it has no answer")
            said = _in_normal_form(role, content, check)
        except ValueError as problem:
            raise ValueError(f"turn {number}: {problem}") from None
        waiting += {"call": 1, "tool": -1}.get(role, 0)
        before = role
        if said is not None:
            normal.append(Message(role, said))
    return normal


def _in_normal_form(role: str, content: str, check: Check) -> str | None:
    """Return what a turn holds, None for definitions of no tools; raises ValueError where it cannot be read."""
    if role == "call":
        call = read_call(content)
        if why := check(call):
            raise ValueError(why)
        return written_call(call)
    if role == "tools":
        tools = tools_in(content.strip())
        return json.dumps(tools, ensure_ascii=False) if tools else None
    if not content.strip() and role != "tool":
        raise ValueError("it says nothing")
    return content


def said_in(message: Any) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """Return what an assistant's message says, and its calls, each with its id.

    Raises:
        ValueError: it says and calls nothing, or its calls cannot be read.
    """
    if role_of(message) == "call":
        raw = message if "name" in message else _content(message)
        return "", [("", read_call(raw))]
    found: list[tuple[str, dict[str, Any]]] = []
    for call in message.get("tool_calls") or ():
        if not isinstance(call, Mapping):
            raise ValueError("a call in `tool_calls` is no object")
        found.append((str(call.get("id") or ""), read_call(call.get("function", call))))
    if message.get("function_call"):
        found.append(("", read_call(message["function_call"])))
    text = content_of(message, empty=bool(found))
    return text, found


def tools_in(value: Any) -> list[dict[str, Any]]:
    """Return definitions of tools in the OpenAI format, from that format or Anthropic's, or their JSON text.

    Raises:
        ValueError: a definition has no name, two have the same one, or parameters are no JSON Schema.
    """
    if value is None or value == "":
        return []
    if isinstance(value, str):
        value = parsed(value, "the definitions of the tools are no JSON")
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, list | tuple):
        raise ValueError(f"the definitions of the tools are a {kind_of(value)}, not a list")
    tools: list[dict[str, Any]] = []
    for number, one in enumerate(value, 1):
        try:
            tools.append({"type": "function", "function": _definition(one)})
        except ValueError as problem:
            raise ValueError(f"tool {number}: {problem}") from None
    names = [tool["function"]["name"] for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"the tool '{twice}' is defined twice")
    return tools


def _definition(one: Any) -> dict[str, Any]:
    """Return one tool's definition; raises ValueError with the reason."""
    function = one.get("function", one) if isinstance(one, Mapping) else None
    if not isinstance(function, Mapping):
        raise ValueError("the definition is no object")
    name = function.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("the definition has no name")
    parameters = function.get("parameters", function.get("input_schema"))
    if isinstance(parameters, str):
        parameters = parsed(parameters, "the parameters are no JSON")
    schema = _json_schema(parameters or {"type": "object", "properties": {}})
    why = invalid_schema(schema) if isinstance(schema, dict) else "it is no object"
    if why:
        raise ValueError(f"the parameters of '{name}' are no JSON Schema: {why}")
    for _ in range(REFERENCES):
        # Templates, and whoever tells of a tool, look for its arguments at the top.
        if isinstance(whole := referred(schema, schema), Mapping):
            schema = {**whole, **{key: part for key, part in schema.items() if key != "$ref"}}
    about = function.get("description")
    told = {"description": str(about)} if about else {}
    return {"name": name.strip(), **told, "parameters": schema}


def content_of(message: Mapping[str, Any], *, empty: bool = False) -> str:
    """Return what a message says; raises ValueError where that is nothing, or no text."""
    content = _content(message)
    if isinstance(content, list | tuple):
        content = "".join(map(_part, content))
    elif isinstance(content, Mapping):
        content = json.dumps(content, ensure_ascii=False)
    elif content is None:
        content = ""
    text = str(content)
    if not text.strip() and not empty:
        raise ValueError("it says nothing")
    return text


def _content(message: Mapping[str, Any]) -> Any:
    return message.get("content", message.get("value"))


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    kind = part.get("type", "text") if isinstance(part, Mapping) else kind_of(part)
    if kind not in _TEXT_PARTS or not isinstance(part.get("text"), str):
        raise ValueError(f"it has a part of the type '{kind}': only text can be read")
    return str(part["text"])


def role_of(message: Any) -> str:
    """Return whose turn a message is: system, user, assistant, call or tool; raises ValueError for others."""
    if not isinstance(message, Mapping):
        raise ValueError(f"it is a {kind_of(message)}, not a message with `role` and `content`")
    role = message.get("role", message.get("from"))
    if role not in _ROLES:
        known = ("system", "developer", "user", "assistant", "tool")
        hint = did_you_mean(str(role), known) or f"roles are: {', '.join(known)}"
        raise ValueError(f"there is no role '{role}' ({hint})" if role else "it has no role")
    return _ROLES[role]


def _answered(
    message: Mapping[str, Any], opened: Sequence[tuple[str, str]], answers: Mapping[int, str]
) -> int:
    """Return which of the open calls a tool's message answers."""
    left = [place for place in range(len(opened)) if place not in answers]
    if not left:
        raise ValueError("a tool answers, and nothing was called")
    identity, name = message.get("tool_call_id"), message.get("name")
    by_id = [place for place in left if identity and opened[place][0] == identity]
    if identity and not by_id and any(opened[place][0] for place in left):
        raise ValueError(f"it answers the call '{identity}', which is none of those before it")
    by_name = [place for place in left if opened[place][1] == name]
    return (by_id or by_name or left)[0]


def _json_schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_json_schema(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    told = {key: _json_schema(part) for key, part in schema.items() if part is not None}
    kind = told.get("type")
    if isinstance(kind, str) and kind in TYPES:
        told["type"] = TYPES[kind]
        if told["type"] is None:
            del told["type"]
    return told
