from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from engine.backends.http.response import read_answer, retry_after

JSON = {"Content-Type": "application/json"}


def answer(content: Any = "{}", finish: str = "stop", **more: Any) -> bytes:
    choice = {"finish_reason": finish, "message": {"content": content}}
    return json.dumps({"choices": [choice], **more}).encode()


def test_a_reply_with_all_that_is_told_about_it() -> None:
    usage = {
        "prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    got = read_answer(200, JSON, answer(usage=usage, model="m-2", system_fingerprint="fp"))
    assert (got.kind, got.text, got.finish) == ("reply", "{}", "stop")
    assert (got.prompt_tokens, got.completion_tokens) == (9, 5)
    assert (got.cached_tokens, got.reasoning_tokens, got.server) == (4, 3, "m-2 fp")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "9"}, {"prompt_tokens": -1}, []])
def test_tokens_that_are_not_told_are_unknown(usage: Any) -> None:
    got = read_answer(200, JSON, answer(usage=usage))
    assert got.kind == "reply"
    assert got.prompt_tokens is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", "bad_body"),
        (200, b"<html>", "bad_body"),
        (200, b"[]", "empty"),
        (200, b'{"choices": []}', "empty"),
        (200, b'{"choices": [{}]}', "empty"),
        (200, answer(None), "empty"),
        (200, answer("  "), "empty"),
        (200, answer(None, "content_filter"), "refusal"),
        (200, answer("", "length"), "reply"),
        (302, b"", "bad_address"),
        (400, b'{"error": "response_format is not supported"}', "schema_refused"),
        (400, b'{"error": "maximum context length is 512 tokens"}', "too_long"),
        (400, b'{"error": "the model `x` does not exist"}', "unknown_model"),
        (400, b'{"error": "no"}', "bad_request"),
        (401, b"", "auth"),
        (403, b"", "auth"),
        (404, b"Not Found", "bad_address"),
        (404, b'{"error": "model not found"}', "unknown_model"),
        (413, b"", "too_long"),
        (429, b"slow down", "rate_limit"),
        (429, b'{"error": {"code": "insufficient_quota"}}', "quota"),
        (408, b"", "server_error"),
        (500, b"", "server_error"),
        # As llama-cpp-python's server 0.3.36 says it.
        (
            500,
            b"""{"error":{"message":"1 validation error:\\n  {'type': 'literal_error', 'loc': ('body', """
            b"""'response_format', 'type'), 'msg': 'Input should be text or json_object'}","code":null}}""",
            "schema_refused",
        ),
        (529, b"overloaded", "server_error"),
    ],
)
def test_what_answers_mean(status: int, body: bytes, kind: str) -> None:
    assert read_answer(status, JSON, body).kind == kind


def test_a_refusal_in_words() -> None:
    body = {"choices": [{"message": {"content": None, "refusal": "I cannot."}}]}
    got = read_answer(200, JSON, json.dumps(body).encode())
    assert (got.kind, got.detail) == ("refusal", "I cannot.")


def test_half_of_a_surrogate_pair_is_no_broken_body() -> None:
    got = read_answer(200, JSON, answer().replace(b"{}", b"\\ud800"))
    assert (got.kind, got.text) == ("reply", "\\ud800")


def test_a_stream_that_nobody_asked_for() -> None:
    events = [
        {"choices": [{"delta": {"content": '{"a": '}}], "model": "m"},
        {"choices": [{"delta": {"content": "1}"}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    ]
    lines = [b"data: " + json.dumps(event).encode() for event in events]
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    got = read_answer(200, headers, b"\n\n".join([*lines, b"data: [DONE]"]))
    assert (got.kind, got.text, got.finish) == ("reply", '{"a": 1}', "stop")
    assert (got.prompt_tokens, got.server) == (3, "m")
    assert read_answer(200, headers, b"\n\n".join(lines[:2])).kind == "truncated_body"
    assert read_answer(200, headers, b"data: {broken").kind == "bad_body"


def test_retry_after_as_a_number_and_as_a_date() -> None:
    assert retry_after("1.5") == 1.5
    assert retry_after("-3") == 0.0
    assert retry_after(None) is None
    assert retry_after("soon") is None
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    wait = retry_after(when)
    assert wait is not None
    assert 25 < wait <= 30
