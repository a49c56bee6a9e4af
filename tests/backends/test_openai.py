"""The OpenAI protocol as a value: what is written for a request, and what answers mean."""

from __future__ import annotations

import json
from typing import Any, get_args

import orjson
import pytest

from engine.backends import openai, vllm
from engine.backends.http.body import BodyWriter
from engine.backends.http.exchange import Exchange
from engine.backends.openai import PROTOCOL, ModeName, read
from engine.backends.protocol import Message, Request, Usage

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 5, "maxLength": 60},
        "maxLength": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["text", "maxLength"],
    "additionalProperties": False,
}


def body(writer: BodyWriter, temperature: float = 0.0) -> dict[str, Any]:
    request = Request((Message("user", "Hi"),), SCHEMA, 100, temperature, "m")
    written: dict[str, Any] = orjson.loads(writer.body(request, writer.turns(request), 100))
    return written


def sent(mode: ModeName) -> dict[str, Any]:
    return body(BodyWriter(PROTOCOL, PROTOCOL.mode(mode), "m", {}))


def test_the_schema_stands_where_each_kind_of_server_looks_for_it() -> None:
    response_format = sent("json_schema")["response_format"]
    assert (response_format["type"], response_format["json_schema"]["schema"]) == (
        "json_schema",
        SCHEMA,
    )
    assert sent("object_schema")["response_format"] == {"type": "json_object", "schema": SCHEMA}
    assert sent("json_object")["response_format"] == {"type": "json_object"}
    assert "response_format" not in sent("prompt")
    assert (
        SCHEMA["properties"]
        == sent("structured_outputs")["structured_outputs"]["json"]["properties"]
    )


@pytest.mark.parametrize("mode", get_args(ModeName))
def test_the_schema_stands_in_the_words_where_nothing_else_says_it(mode: ModeName) -> None:
    first = sent(mode)["messages"][0]["content"]
    assert ("maxLength" in first) == (mode in {"json_object", "prompt"})


def test_a_loose_schema_has_no_bounds_but_all_properties() -> None:
    loose = openai.LOOSE_SCHEMA.parameters(SCHEMA)["response_format"]["json_schema"]["schema"]
    assert loose["properties"] == {"text": {"type": "string"}, "maxLength": {"type": "integer"}}
    assert loose["required"] == SCHEMA["required"]


def test_every_mode_of_the_settings_is_one_of_the_protocol() -> None:
    assert {mode.name for mode in PROTOCOL.modes} == set(get_args(ModeName))
    for protocol in (PROTOCOL, vllm.PROTOCOL):
        assert set(protocol.tried) <= set(protocol.modes)


@pytest.mark.parametrize(
    ("said", "gone", "there"),
    [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "max_completion_tokens",
        ),
        (
            "Unsupported value: 'temperature' does not support 0.9 with this model. "
            "Only the default (1) value is supported.",
            "temperature",
            "max_tokens",
        ),
    ],
    ids=["token limit", "temperature"],
)
def test_a_server_that_wants_it_otherwise_gets_it_so(said: str, gone: str, there: str) -> None:
    writer = BodyWriter(PROTOCOL, openai.JSON_SCHEMA, "m", {})
    assert gone in body(writer, temperature=0.9)
    refusal = read(400, {}, json.dumps({"error": {"message": said}}).encode())
    assert writer.adapt(refusal)
    after = body(writer, temperature=0.9)
    assert gone not in after
    assert there in after
    assert "seed" in after
    assert not writer.adapt(refusal), "the same refusal once more is a refusal"
    assert not writer.adapt(Exchange("bad_request", status=400, detail="no"))


JSON = {"Content-Type": "application/json"}


def answer(content: Any = "{}", finish: str = "stop", **more: Any) -> bytes:
    choice = {"finish_reason": finish, "message": {"content": content}}
    return json.dumps({"choices": [choice], **more}).encode()


def test_a_reply_with_all_that_is_told_about_it() -> None:
    usage = {
        "prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    got = read(200, JSON, answer(usage=usage, model="m-2", system_fingerprint="fp"))
    assert (got.kind, got.text, got.finish) == ("reply", "{}", "stop")
    assert got.usage == Usage(9, 5, 4, 3)
    assert got.server == "m-2 fp"


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": "9"}, {"prompt_tokens": -1}, []])
def test_tokens_that_are_not_told_are_unknown(usage: Any) -> None:
    got = read(200, JSON, answer(usage=usage))
    assert got.kind == "reply"
    assert got.usage.prompt_tokens is None


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
    assert read(status, JSON, body).kind == kind


def test_a_refusal_in_words() -> None:
    body = {"choices": [{"message": {"content": None, "refusal": "I cannot."}}]}
    got = read(200, JSON, json.dumps(body).encode())
    assert (got.kind, got.detail) == ("refusal", "I cannot.")


def test_half_of_a_surrogate_pair_is_no_broken_body() -> None:
    got = read(200, JSON, answer().replace(b"{}", b"\\ud800"))
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
    got = read(200, headers, b"\n\n".join([*lines, b"data: [DONE]"]))
    assert (got.kind, got.text, got.finish) == ("reply", '{"a": 1}', "stop")
    assert (got.usage.prompt_tokens, got.server) == (3, "m")
    assert read(200, headers, b"\n\n".join(lines[:2])).kind == "truncated_body"
    assert read(200, headers, b"data: {broken").kind == "bad_body"
