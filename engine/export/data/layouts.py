"""The forms in which rows are handed on: as they are, or as the turns by which a student is taught.

Turns are exactly those of the run's own fine-tunes: its prompt, its shots, what the student was to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from engine.backends.protocol import Message
from engine.errors import EngineError

Layout = Literal[
    "rows", "chat", "alpaca", "sharegpt", "completion", "preference", "writer_preference"
]
LAYOUTS: Mapping[Layout, str] = {
    "rows": "the task's own columns",
    "chat": "`messages`, the student's turn last (trl, Axolotl, LLaMA-Factory, OpenAI)",
    "alpaca": "`instruction`, `input`, `output`",
    "sharegpt": "`conversations` of `from` and `value`",
    "completion": "`prompt` and `completion`, each as messages (trl)",
    "preference": "`prompt`, `chosen`, `rejected` for DPO: the right answer against a wrong one to the same row",
    "writer_preference": "the same for the model that writes rows: an accepted row against a rejected one",
}
Turns = Sequence[Message]
_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def messages(turns: Turns) -> list[dict[str, str]]:
    """Return turns as chat messages."""
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _chat(turns: Turns, said: str) -> dict[str, Any]:
    return {"messages": messages([*turns, Message("assistant", said)])}


def _sharegpt(turns: Turns, said: str) -> dict[str, Any]:
    told = [*turns, Message("assistant", said)]
    return {"conversations": [{"from": _SPEAKERS[t.role], "value": t.content} for t in told]}


def _completion(turns: Turns, said: str) -> dict[str, Any]:
    return {"prompt": messages(turns), "completion": messages([Message("assistant", said)])}


def _alpaca(turns: Turns, said: str) -> dict[str, Any]:
    roles = [turn.role for turn in turns]
    if roles not in (["user"], ["system", "user"]):
        raise EngineError(
            "the layout alpaca holds one question and its answer, and this task's prompt shows answered rows before it",
            "choose --layout chat, sharegpt or completion",
        )
    *system, user = (turn.content for turn in turns)
    # Without a system turn the row itself is all that there is to follow.
    return {"instruction": system[0] if system else user, "input": user if system else "", "output": said}  # fmt: skip


TAUGHT: Mapping[str, Callable[[Turns, str], dict[str, Any]]] = {
    "chat": _chat,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
    "completion": _completion,
}
"""Layout -> one row of it, from the turns before the student's and what it is to say."""
