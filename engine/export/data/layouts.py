"""The forms in which rows are handed on: as they are, or as the turns by which a student is taught.

Turns are exactly those of the run's own fine-tunes: its prompt, its shots, what the student was to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from engine.backends.protocol import Message
from engine.errors import EngineError
from engine.turns.tools import Said, native

Layout = Literal[
    "rows", "chat", "alpaca", "sharegpt", "completion", "preference", "writer_preference"
]
LAYOUTS: Mapping[Layout, str] = {
    "rows": "the task's own columns",
    "chat": "`messages`, the student's turn last, and `tools` (trl, Axolotl, LLaMA-Factory, OpenAI)",
    "alpaca": "`instruction`, `input`, `output`",
    "sharegpt": "`conversations` of `from` and `value`",
    "completion": "`prompt` and `completion`, each as messages (trl)",
    "preference": "`prompt`, `chosen`, `rejected` for DPO: the right answer against a wrong one to the same row",
    "writer_preference": "the same for the model that writes rows: an accepted row against a rejected one",
}
Turns = Sequence[Message]
_SPEAKERS = {
    "system": "system",
    "user": "human",
    "assistant": "gpt",
    "call": "function_call",
    "tool": "observation",
}


def messages(turns: Turns) -> list[dict[str, Any]]:
    """Return turns as chat messages, calls as OpenAI's format has them."""
    return native(turns, parsed=False).messages


def tools_beside(turns: Turns) -> dict[str, Any]:
    """Return the definitions of a conversation's tools as a column of their own; none where it has none."""
    tools = native(turns, parsed=False).tools
    return {"tools": tools} if tools else {}


def _chat(turns: Turns, said: Said) -> dict[str, Any]:
    return {"messages": messages([*turns, *said.turns]), **tools_beside(turns)}


def _sharegpt(turns: Turns, said: Said) -> dict[str, Any]:
    told = [turn for turn in (*turns, *said.turns) if turn.role != "tools"]
    tools = [turn.content for turn in turns if turn.role == "tools"]
    return {
        "conversations": [{"from": _SPEAKERS[t.role], "value": t.content} for t in told],
        **({"tools": tools[0]} if tools else {}),
    }


def _completion(turns: Turns, said: Said) -> dict[str, Any]:
    whole = messages([*turns, *said.turns])
    return {"prompt": whole[:-1], "completion": whole[-1:], **tools_beside(turns)}


def _alpaca(turns: Turns, said: Said) -> dict[str, Any]:
    roles = [turn.role for turn in turns]
    if roles not in (["user"], ["system", "user"]) or said.calls:
        raise EngineError(
            "the layout alpaca holds one question and its answer, and rows of this task have more turns than that, "
            "or tools",
            "choose --layout chat, sharegpt or completion",
        )
    *system, user = (turn.content for turn in turns)
    # Without a system turn the row itself is all that there is to follow.
    instruction, given = (system[0], user) if system else (user, "")
    return {"instruction": instruction, "input": given, "output": said.text}


TAUGHT: Mapping[str, Callable[[Turns, Said], dict[str, Any]]] = {
    "chat": _chat,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "completion": _completion,
}
"""Layout -> one row of it, from the turns before the student's and what it is to say."""
