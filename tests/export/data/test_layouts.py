"""Conversations with tools in the layouts of other programs."""

from __future__ import annotations

import json

import pytest

from engine.errors import EngineError
from engine.export.data.layouts import TAUGHT
from engine.turns import Message
from engine.turns.tools import Said

TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
CALL = '{"name": "find", "arguments": {"title": "Emma"}}'
TURNS = (
    Message("tools", json.dumps(TOOLS)),
    Message("system", "A desk."),
    Message("user", "Emma?"),
    Message("call", CALL),
    Message("tool", "none"),
    Message("user", "Then Persuasion?"),
)


def test_messages_have_calls_and_tools_as_openai_has_them() -> None:
    row = TAUGHT["chat"](TURNS, Said("Wait.", (CALL,)))
    assert row["tools"] == TOOLS
    roles = [message["role"] for message in row["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "user", "assistant"]
    first, last = row["messages"][2], row["messages"][-1]
    assert last["content"] == "Wait."
    assert first["tool_calls"][0]["function"] == last["tool_calls"][0]["function"]
    assert first["tool_calls"][0]["id"] != last["tool_calls"][0]["id"]
    parted = TAUGHT["completion"](TURNS, Said("Wait.", (CALL,)))
    assert [*parted["prompt"], *parted["completion"]] == row["messages"]


def test_sharegpt_has_roles_for_calls_and_what_tools_answer() -> None:
    row = TAUGHT["sharegpt"](TURNS, Said("No."))
    speakers = [turn["from"] for turn in row["conversations"]]
    assert speakers == ["system", "human", "function_call", "observation", "human", "gpt"]
    assert json.loads(row["tools"]) == TOOLS


def test_alpaca_holds_no_conversation() -> None:
    with pytest.raises(EngineError, match="more turns than that"):
        TAUGHT["alpaca"](TURNS, Said("No."))
