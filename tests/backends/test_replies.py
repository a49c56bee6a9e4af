"""One builder makes every completion, so that the same reply means the same whatever answered."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from engine.backends.protocol import Completion, Message, Request, Usage
from engine.backends.replies import (
    completion,
    correction,
    cut_in_thought,
    does_not_fit,
    failed,
    read,
)
from engine.rows import Call

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "integer"}},
    "required": ["a"],
    "additionalProperties": False,
}
REQUEST = Request((Message("user", "Hi"),), SCHEMA, 10, 0.0, "m")
PLAIN = replace(REQUEST, schema=None)


@pytest.mark.parametrize(
    ("text", "cut", "value", "error"),
    [
        ('{"a": 1}', 0, {"a": 1}, None),
        # Closed with its last token: whole, whatever the server says.
        ('{"a": 1}', 10, {"a": 1}, None),
        ('{"a": ', 10, None, "length"),
        ('{"a": ', 0, None, "invalid_json"),
        ('{"b": 1}', 0, None, "schema"),
        ('<think>{"a": 2}</think>{"a": 1}', 0, {"a": 1}, None),
        ('\n<think>\n\n</think>\n\n{"a": 1}\n', 10, {"a": 1}, None),
        ('so it is 1</think>{"a": 1}', 0, {"a": 1}, None),
        ('{"a": "</think>1"}', 0, None, "schema"),
        ('<think>so</think>{"a": ', 10, None, "length"),
        ("<think>so</think>", 0, None, "invalid_json"),
        # In a code block, with words around it or none, closed or not; JSON may hold fences itself.
        ('```json\n{"a": 1}\n```', 0, {"a": 1}, None),
        ('```{"a": 1}```', 0, {"a": 1}, None),
        ('Here it is:\n\n```JSON\n{"a": 1}\n```\nGood luck!', 0, {"a": 1}, None),
        ('```json\n{"a": 1}', 0, {"a": 1}, None),
        ('```json\n{"a": ', 10, None, "length"),
        ('<think>```{"a": 2}```</think>\n```json\n{"a": 1}\n```', 0, {"a": 1}, None),
        ('<think>perhaps\n```json\n{"a": 2}\n```', 10, None, "thinking"),
        ('```json\n{"a": "```</think>"}\n```', 0, None, "schema"),
        ('{"a": "```1```"}', 0, None, "schema"),
        ('```json\n{"a": 1}\n```\nor\n```json\n{"a": 2}\n```', 0, None, "invalid_json"),
        ("```\n```", 0, None, "invalid_json"),
        ("<think>so it is", 10, None, "thinking"),
        ("<think>so it is", 0, None, "thinking"),
        ("", 10, None, "thinking"),
        ("", 0, None, "invalid_json"),
    ],
)
def test_a_reply_is_read_against_its_schema(
    text: str, cut: int, value: Any, error: str | None
) -> None:
    reply = read(REQUEST, text, cut)
    assert (reply.value, reply.error) == (value, error)
    assert bool(reply.detail) == (error is not None)


def test_plain_text_is_its_own_value_also_where_it_was_cut() -> None:
    assert read(PLAIN, "so be", 10).value == "so be"
    assert read(PLAIN, "<think>so be", 10).value == "<think>so be"


def test_hidden_reasoning_is_to_blame_where_it_took_most_of_the_tokens() -> None:
    assert cut_in_thought('{"a": ', 10, 5)
    assert not cut_in_thought('{"a": ', 10, 4)
    assert not cut_in_thought('{"a": ', 0, 9), "it came to its end"
    reply = read(REQUEST, "", 8500, 8000)
    assert reply.error == "thinking"
    assert reply.detail.startswith(
        "cut after max_tokens (8500) in the model's thinking, 8000 of them hidden reasoning: raise "
    )
    assert "models.teacher.thinking_tokens" in reply.detail


@pytest.mark.parametrize(
    ("error", "finish", "reason"),
    [
        (None, "stop", "stop"),
        (None, "length", "length"),
        (None, "", "stop"),
        ("schema", "stop", "stop"),
        ("schema", "length", "error"),
        ("length", "length", "length"),
        ("length", "", "length"),
        ("thinking", "length", "length"),
        ("refusal", "content_filter", "refusal"),
        ("too_long", "", "error"),
        ("rate_limit", "", "error"),
    ],
)
def test_why_a_reply_ended(error: str | None, finish: str, reason: str) -> None:
    reply = read(REQUEST, '{"a": 1}') if error is None else failed(error, "why")
    assert completion(REQUEST, reply, finish=finish, method="m").finish_reason == reason


def test_what_was_sent_is_told_where_it_is_not_the_request_itself() -> None:
    reply = failed("schema", "no")
    same = completion(REQUEST, reply, method="m", sent=(Message("user", "Hi"),))
    assert same.sent is None
    more = (*REQUEST.messages, *correction("[]", "no object"))
    assert completion(REQUEST, reply, method="m", sent=more).sent == more
    assert [turn.role for turn in more] == ["user", "assistant", "user"]
    assert "no object" in more[2].content


def test_plain_text_has_no_method() -> None:
    done = completion(PLAIN, read(PLAIN, "x"), method="prompt", in_words=True)
    assert (done.method, done.in_words) == ("text", False)
    structured = completion(REQUEST, read(REQUEST, "{}"), method="prompt", in_words=True)
    assert (structured.method, structured.in_words) == ("prompt", True)


def test_what_does_not_fit_is_said_with_its_numbers() -> None:
    assert does_not_fit(90, 10, 100) == ""
    assert does_not_fit(10**9, 10, None) == ""
    said = does_not_fit(1091, 10, 1100, "about ")
    assert said.startswith("about 1,091 tokens of prompt and 10 for the reply")
    assert "a context of 1,100" in said
    assert "`context`" in said
    assert "`" not in does_not_fit(91, 10, 100, setting="")
    assert does_not_fit(1000, 35_081, 4096) == "", "a shorter reply may do"
    assert "and 256 for the reply" in does_not_fit(3841, 35_081, 4096)


def test_a_reply_that_was_cut_at_the_most_there_is_says_what_else_to_do() -> None:
    assert "models.teacher.pack" in read(REQUEST, "{", 3000, limited=True).detail
    assert "models.teacher.pack" not in read(REQUEST, "{", 3000).detail
    assert "raise" in read(REQUEST, "", 3000).detail
    assert "raise" not in read(REQUEST, "", 3000, limited=True).detail


def test_every_number_of_a_reply_is_a_column_of_the_ledger() -> None:
    assert set(Usage._fields) <= {field.name for field in fields(Call)}


def test_nobody_else_makes_completions() -> None:
    made = [
        str(module.relative_to(ROOT))
        for module in sorted((ROOT / "engine").rglob("*.py"))
        for text in [module.read_text("utf-8")]
        if Completion.__name__ in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == Completion.__name__
    ]
    # Made of a reply; read back from the disk, and from the store.
    known = ["engine/backends/replies.py", "engine/run/asking/asked.py", "engine/run/ledger.py"]
    assert made == known
