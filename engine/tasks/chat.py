"""Chat: what an assistant says next in a conversation of several turns, or the tools that it calls.

A row's input is its conversation, one text in the form of `engine.turns`; its right answer is a text, or calls. Calls
are compared as the Berkeley Function-Calling Leaderboard compares them (Patil et al., ICML 2025), by name and
arguments, whatever their order: `engine.metrics.tool_calls`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from pydantic import Field

from engine.fingerprint import short
from engine.tasks.conversation import (
    conversation_in,
    said_in,
    tools_in,
)
from engine.tasks.conversation_rows import add_facts, facts_of, listed, without_answer
from engine.tasks.protocol import Reference, Task, TaskKind, TaskParams, readable
from engine.tasks.tool_calls import (
    MOST_CALLS,
    call_schema,
    definitions,
    invalid,
    settled,
    signature,
    without_nulls,
)
from engine.tasks.wrong_answers import exchanged_detail, wrong_objects
from engine.turns import (
    SETTING,
    Message,
    escaped,
    spoken,
    transcript,
    turns_in,
    unescaped,
)
from engine.turns.calls import Definitions, name_of, read_call, spoken_in, written_call
from engine.turns.tools import Said, in_assistant_words

_OF_CALLS = frozenset({"tool_call", "tool_call_exact", "arguments_f1"})
"""Metrics of rows whose right answer is a call."""
_OF_BOTH = frozenset({"tool_name", "accuracy", "perplexity"})
_MOST_TURNS = 14
_SHORTEST_TURN, _LONGEST_TURN = 160, 1200
_MOST_TOLD = 24
"""Tools that are told with their arguments; of more, rows tell the names of theirs."""
_WORD = re.compile(r"\w{3,}|\d+")


class Params(TaskParams):
    """Parameters of `chat`."""

    tools: str = "tools"
    """Column with the definitions of a row's tools (as OpenAI or Anthropic have them), where rows have any."""
    max_tokens: int = Field(default=256, ge=1, le=4096)
    """Most tokens of an answer."""


class Conversation(NamedTuple):
    """A row's input, taken apart."""

    turns: tuple[Message, ...]

    @property
    def tools(self) -> Definitions:
        """The tools at hand."""
        first = self.turns[0] if self.turns else None
        return definitions(first.content) if first and first.role == "tools" else ()


class Chat(TaskKind):
    """The next turn of an assistant."""

    name = "chat"
    version = 3
    sentence = "A conversation is continued with the assistant's next turn: what it says, or the tools that it calls."
    prompt = "tasks/chat.md"
    params = Params
    metrics = ("tool_call", "tool_name", "arguments_f1", "rouge_l")
    failure = "tool_name < 1 or coalesce(tool_call, 1) < 1 or coalesce(rouge_l, 1) < 0.3"
    mixed = True
    inputs_are_texts = False

    def input_problems(self, inputs: Sequence[str]) -> list[str]:
        """Return that it reads one column, the conversation."""
        if len(inputs) == 1:
            return []
        return [
            "a chat has one input, the column with its messages; tools are found by `params: {tools: …}`"
        ]

    def found(self, target: str) -> frozenset[str]:
        """Return the target: where there is none, the conversation's last turn is the right answer."""
        return frozenset({target})

    def spread(
        self,
        values: dict[str, Any],
        inputs: Sequence[str],
        target: str,
        params: Params,
        *,
        answered: bool = True,
    ) -> str | None:
        """Make a transcript of messages and tools, take the last turn for the answer, count what there is."""
        raw = listed(values.get(inputs[0]))
        if raw is None:
            return None
        try:
            tools = tools_in(values.pop(params.tools, None) or values.pop("functions", None))
            if isinstance(raw, list) and values.get(target) is None:
                raw, last = without_answer(raw, tools, answered=answered)
                if answered:
                    values[target] = last
            turns = conversation_in(raw, partial(invalid, tools=tools))
        except ValueError as problem:
            return str(problem)
        if tools:
            defined = Message("tools", json.dumps(tools, ensure_ascii=False))
            turns = [defined, *(turn for turn in turns if turn.role != "tools")]
        values[inputs[0]] = transcript(turns)
        return add_facts(values, facts_of(turns), {*inputs, target})

    def seen(self, rows: Iterable[Mapping[str, str]]) -> Any:
        """Return the tools of the training rows, each once, by name."""
        known: dict[str, Mapping[str, Any]] = {}
        for text in dict.fromkeys(_tools_text(inputs) for inputs in rows):
            for tool in definitions(text):
                known.setdefault(name_of(tool), tool)
        return tuple(known.values())

    def nested(self, params: Params, target: str) -> frozenset[str]:
        """Return the target: a message, or calls."""
        return frozenset({target})

    def shown(self, column: str, value: Any, params: Params) -> str:
        """Return the conversation as one text; raises ValueError for one that nobody has to answer."""
        turns = conversation_in(value)
        if turns[-1].role not in ("user", "tool"):
            last = {"call": "a call that no tool answers", "assistant": "the assistant's turn"}
            raise ValueError(
                f"the conversation ends on {last[turns[-1].role]}: nothing is left to answer"
            )
        tools = Conversation(tuple(turns)).tools
        for number, turn in enumerate(turns, 1):
            if turn.role == "call" and (why := invalid(read_call(turn.content), tools)):
                raise ValueError(f"turn {number}: {why}")
        return transcript(_without_nulls(turns))

    def reference(self, inputs: Mapping[str, str], value: Any, params: Params) -> Reference:
        """Return the right turn: a text, of a list of texts all are right; or calls of the row's tools."""
        # Read again: what is redacted may break a call of an earlier turn.
        tools = Conversation(tuple(conversation_in(next(iter(inputs.values()))))).tools
        if isinstance(value, list | tuple) and value and all(isinstance(v, str) for v in value):
            return _texts(value)
        said, calls = _said(_json_calls(value))
        if not calls:
            return _texts([said])
        for call in calls:
            if why := invalid(call, tools):
                raise ValueError(f"the target: {why}")
        first = [Message("assistant", said)] if said.strip() else []
        calls = [without_nulls(call, tools) for call in calls]
        target = transcript([*first, *(Message("call", written_call(call)) for call in calls)])
        return Reference(target, (_answer(calls, tools),))

    def scores(self, metric: str, references: Sequence[str]) -> bool:
        """Return whether a metric is of what the row asks for: calls, or words."""
        if metric in _OF_BOTH:
            return True
        return (metric in _OF_CALLS) == bool(_calls_in(references[0]))

    def answer_form(self, task: Task) -> str:
        """Return that it is a text or calls, and of which tools."""
        tools: Definitions = task.seen or ()
        if not tools:
            return "what the assistant says next, a text"
        lines = [
            "what the assistant says next, a text; or, where it has to call tools, a list of them: "
            '[{"name": "…", "arguments": {…}}]'
        ]
        if len(tools) <= _MOST_TOLD:
            lines += ["Tools:", *(f"- {signature(tool)}" for tool in tools)]
        return "\n".join(lines)

    def turns(self, inputs: Mapping[str, str], asked: Sequence[Message]) -> tuple[Message, ...]:
        """Return the conversation's own turns; the prompt's system turn where it has none."""
        turns = conversation_of(inputs).turns
        if any(turn.role == "system" for turn in turns):
            return turns
        system = [turn for turn in asked if turn.role == "system"]
        before = [turn for turn in turns if turn.role == "tools"]
        return (*before, *system, *turns[len(before) :])

    def completion(self, inputs: Mapping[str, str], target: str, params: Params) -> str:
        """Return what is said, calls in words."""
        return in_assistant_words(self.said(inputs, target, params))

    def said(self, inputs: Mapping[str, str], target: str, params: Params) -> Said:
        """Return what is said and called."""
        text, calls = _said(target)
        return Said(text, tuple(map(written_call, calls)))

    def not_shown(self, target: str) -> str | None:
        """Return that no tool answers a call, so that a conversation cannot go on behind it."""
        return "its right answer calls a tool, and no tool answers" if _calls_in(target) else None

    def read(self, text: str, inputs: Mapping[str, str], task: Task) -> str | None:
        """Return what the student says, or its calls alone; None for nothing, and for a call that cannot be read."""
        tools = conversation_of(inputs).tools
        said = spoken_in(text, tools)
        if said is None:
            return None
        return _answer(said.calls, tools) if said.calls else escaped(said.text) or None

    def fault(self, inputs: Mapping[str, str], target: str, task: Task) -> str | None:
        """Return why a row does not fit the task: its turns are out of order, or a call is of no tool that it has."""
        try:
            for column, text in inputs.items():
                self.shown(column, text, task.params)
        except ValueError as problem:
            return str(problem)
        return super().fault(inputs, target, task)

    # Rows that are compared, and that are written.

    def texts_of(self, inputs: Mapping[str, str]) -> list[str]:
        """Return what is said in the conversation, turn by turn.

        System turns and definitions of tools, which many rows share, would make all of them alike.
        """
        return [part for text in inputs.values() for part in spoken(text)]

    def input_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of messages: turns of user and assistant, and where rows have tools, calls and answers."""
        most = max(_SHORTEST_TURN, min(_LONGEST_TURN, longest // 3))
        text = {"type": "string", "minLength": 1, "maxLength": most}
        kinds = [_message({"role": {"enum": ["user", "assistant"]}, "content": text})]
        if task.seen:
            calls = {
                "type": "array",
                "items": _call_schema(task),
                "minItems": 1,
                "maxItems": MOST_CALLS,
            }
            kinds.append(_message({"role": {"const": "assistant"}, "tool_calls": calls}))
            kinds.append(_message({"role": {"const": "tool"}, "content": text}))
        items = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        return {"type": "array", "items": items, "minItems": 1, "maxItems": _MOST_TURNS}

    def target_schema(self, task: Task, longest: int) -> Mapping[str, Any]:
        """Return the schema of a text or, where rows have tools, of a list of calls."""
        text = super().target_schema(task, longest)
        if not task.seen:
            return text
        calls = {
            "type": "array",
            "items": _call_schema(task),
            "minItems": 1,
            "maxItems": MOST_CALLS,
        }
        return {"anyOf": [text, calls]}

    def inputs_as_written(self, inputs: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the messages without system turn and tools: a new row has those of the row that it is from."""
        written: dict[str, Any] = {}
        for column, text in inputs.items():
            try:
                written[column] = _messages(turns_in(text))
            except ValueError:
                written[column] = text
        return written

    def inputs_read(self, written: Mapping[str, Any], seed: Mapping[str, str]) -> dict[str, str]:
        """Return the conversation under the system turn and the tools of the row that it is from.

        One whose turns cannot be read stays as it was written, for the rules to reject.
        """
        read: dict[str, str] = {}
        for column, text in seed.items():
            value = written.get(column, "")
            setting = [turn for turn in turns_in(text) if turn.role in SETTING]
            try:
                said = [turn for turn in conversation_in(value) if turn.role not in SETTING]
                read[column] = transcript(_without_nulls([*setting, *said]))
            except ValueError:
                read[column] = (
                    value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                )
        return read

    def as_written(self, target: str, params: Params) -> Any:
        """Return a text as it is said, calls as a list."""
        said, calls = _said(target)
        return calls or said

    def kept(self, target: str, params: Params) -> str:
        """Return that all that the calls take from the conversation stays."""
        calls = _said(target)[1]
        return f"all that is needed for {json.dumps(calls, ensure_ascii=False)}" if calls else ""

    def fixed(
        self, inputs: Mapping[str, str], target: str, params: Params
    ) -> Mapping[str, tuple[str, ...]]:
        """Return all but what users say, and of that the words that a call takes over."""
        needed = set(_WORD.findall(json.dumps(_said(target)[1], ensure_ascii=False).lower()))
        return {column: tuple(_fixed(text, needed)) for column, text in inputs.items()}

    def corrupted(
        self, inputs: Mapping[str, str], target: str, others: Sequence[str], task: Task
    ) -> str | None:
        """Return calls with a wrong argument, or of another tool; a text with a wrong detail, or another row's."""
        calls = _said(target)[1]
        text = self.text_of(inputs)
        if not calls:
            wrong = exchanged_detail(target, text, [o for o in others if not _calls_in(o)])
            return wrong or super().corrupted(inputs, target, others, task)
        call, *rest = calls
        known = [c["arguments"] for o in others for c in _said(o)[1] if c["name"] == call["name"]]
        turn = int(short([dict(inputs), target], 8), 16)
        tools = conversation_of(inputs).tools
        for arguments in wrong_objects(call["arguments"], text, known, turn):
            one = {"name": call["name"], "arguments": arguments}
            if invalid(one, tools) is None and _answer([one], tools) != _answer([call], tools):
                return transcript(Message("call", written_call(c)) for c in (one, *rest))
        return super().corrupted(inputs, target, others, task)


def conversation_of(inputs: Mapping[str, str]) -> Conversation:
    """Return a row's conversation; raises ValueError where its input is none."""
    return Conversation(tuple(turns_in(next(iter(inputs.values())))))


def _without_nulls(turns: Sequence[Message]) -> Iterator[Message]:
    """Yield turns whose calls have only the nulls that the tools' definitions ask for."""
    tools = Conversation(tuple(turns)).tools
    for turn in turns:
        if turn.role == "call":
            yield Message("call", written_call(without_nulls(read_call(turn.content), tools)))
        else:
            yield turn


def _tools_text(inputs: Mapping[str, str]) -> str:
    """Return the text of the definitions that a row begins with; empty for none."""
    text = next(iter(inputs.values()), "")
    return text.partition("\n")[0].removeprefix("[tools] ") if text.startswith("[tools] ") else ""


def _said(value: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return what a target says and calls: a text, a transcript of one turn, a message, a call, a list of calls."""
    if isinstance(value, str):
        if not _calls_in(value):
            return unescaped(value), []
        turns = turns_in(value)
        said = "\n".join(turn.content for turn in turns if turn.role == "assistant")
        return said, [read_call(turn.content) for turn in turns if turn.role == "call"]
    if isinstance(value, Mapping):
        if "name" in value and "content" not in value:
            return "", [read_call(value)]
        said, calls = said_in({"role": "assistant", **value})
        return said, [call for _, call in calls]
    if isinstance(value, list | tuple):
        return "", [read_call(call) for call in value]
    if value is None:
        raise ValueError("the target has no value")
    return str(value), []


def _json_calls(value: Any) -> Any:
    """Return calls that the data has as JSON text as a list; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[{", "{")):
        return value
    try:
        parsed = json.loads(value)
        listed = parsed if isinstance(parsed, list) else [parsed]
    except ValueError:
        return value
    are_calls = all(isinstance(c, Mapping) and {"name", "arguments"} <= set(c) for c in listed)
    return listed if are_calls else value


def _calls_in(target: str) -> bool:
    return target.startswith(("[call] ", "[assistant] ")) and (
        target.startswith("[call] ") or "\n[call] " in target
    )


def _texts(texts: Sequence[str]) -> Reference:
    said = [readable(text).strip() for text in texts]
    if not all(said):
        raise ValueError("the target is empty")
    return Reference(escaped(texts[0]), tuple(dict.fromkeys(map(escaped, said))))


def _answer(calls: Sequence[Mapping[str, Any]], tools: Definitions) -> str:
    """Return calls in the form in which answers are compared: in whatever order they come."""
    texts = (json.dumps(settled(call, tools), ensure_ascii=False) for call in calls)
    return transcript(Message("call", text) for text in sorted(texts))


def _messages(turns: Sequence[Message]) -> list[dict[str, Any]]:
    """Return turns as a writer writes them."""
    messages: list[dict[str, Any]] = []
    for role, said in turns:
        if role in SETTING:
            continue
        if role != "call":
            messages.append({"role": role, "content": said})
            continue
        if not messages or "tool_calls" not in messages[-1]:
            messages.append({"role": "assistant", "tool_calls": []})
        messages[-1]["tool_calls"].append(read_call(said))
    return messages


def _message(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _call_schema(task: Task) -> dict[str, Any]:
    tools: Definitions = task.seen
    return call_schema(tools[:_MOST_TOLD])


def _fixed(text: str, needed: set[str]) -> Iterator[str]:
    """Yield the stretches of a transcript that are no user's words, and the words of users that are needed."""
    turns = turns_in(text)
    stretch: list[Message] = []
    for turn in turns:
        if turn.role != "user":
            stretch.append(turn)
            continue
        if stretch:
            yield transcript(stretch)
            stretch = []
        yield from (word for word in _WORD.findall(turn.content) if word.lower() in needed)
    if stretch:
        yield transcript(stretch)
    yield "[user]"
