"""The OpenAI protocol as a value: what is written for a request, and what answers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

import orjson
import pytest

from engine.backends import openai, vllm
from engine.backends.http.body import BodyWriter
from engine.backends.http.exchange import Exchange
from engine.backends.http.protocol import Mode
from engine.backends.http.quirks import Quirks
from engine.backends.openai import PROTOCOL, ModeName
from engine.backends.openai_answers import read
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


def writer_in(mode: Mode, extra: Mapping[str, Any] | None = None) -> BodyWriter:
    return BodyWriter(PROTOCOL, mode, "m", extra or {}, Quirks(PROTOCOL.quirks))


def sent(mode: ModeName) -> dict[str, Any]:
    return body(writer_in(PROTOCOL.mode(mode)))


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


REFUSALS: dict[str, tuple[str, int, Any]] = {
    # What they refuse, the status, and the error: a text where the body has no place for anything else.
    "OpenAI's limit": (
        "max_tokens", 400,
        {
            "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "type": "invalid_request_error", "param": "max_tokens", "code": "unsupported_parameter",
        },
    ),
    "a limit in words": (
        "max_tokens", 400, "this model takes `max_completion_tokens`, not `max_tokens`",
    ),
    "OpenAI's temperature": (
        "temperature", 400,
        {
            "message": "Unsupported value: 'temperature' does not support 0.9 with this model. "
            "Only the default (1) value is supported.",
            "type": "invalid_request_error", "param": "temperature", "code": "unsupported_value",
        },
    ),
    "only 1": ("temperature", 400, "invalid temperature: only 1 is allowed for this model"),
    "only 1, and not found": (
        "temperature", 404,
        {"message": "Unknown value for this model.", "param": "temperature", "code": None},
    ),
    "a range": (
        "temperature", 422,
        {"detail": [{"loc": ["body", "temperature"], "msg": "Input should be greater than 0"}]},
    ),
    "Mistral's seed": (
        "seed", 422,
        {
            "object": "error", "type": "invalid_request_error",
            "message": {
                "detail": [
                    {
                        "type": "extra_forbidden", "loc": ["body", "seed"], "input": 7,
                        "msg": "Extra inputs are not permitted",
                    },
                ]
            },
        },
    ),
    "Google's seed": (
        "seed", 400,
        [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": 'Unknown name "seed": Cannot find field.'}}],
    ),
    "a template's system": (
        "system", 500, {"message": "Jinja Exception: System role not supported", "type": "server_error"},
    ),
    "alternating": (
        "system", 400, "Conversation roles must alternate user/assistant/user/assistant/...",
    ),
    "OpenAI's system": (
        "system", 400,
        {
            "message": "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
            "type": "invalid_request_error", "param": "messages[0].role", "code": "unsupported_value",
        },
    ),
    "pydantic's system": (
        "system", 422,
        {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user' or 'assistant'"}]},
    ),
}  # fmt: skip


def refusal_of(status: int, error: Any) -> Exchange:
    whole = isinstance(error, list) or "detail" in error or "object" in error
    return read(status, {}, json.dumps(error if whole else {"error": error}).encode())


def parts_of(writer: BodyWriter) -> set[str]:
    turns = (Message("system", "Be kind."), Message("user", "Hi"))
    request = Request(turns, None, 100, 0.9, "m")
    written = orjson.loads(writer.body(request, writer.turns(request), 100))
    roles = [turn["role"] for turn in written["messages"]]
    assert written["messages"][-1]["content"].endswith("Hi")
    assert "Be kind." in written["messages"][0]["content"]
    return {*written, *roles} - {"model", "messages", "user"}


USUAL = {"max_tokens", "temperature", "seed", "system"}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_server_that_wants_it_otherwise_gets_it_so(name: str) -> None:
    gone, status, error = REFUSALS[name]
    writer = writer_in(openai.JSON_SCHEMA)
    before = writer.quirks.met
    assert parts_of(writer) == USUAL
    refusal = refusal_of(status, error)
    assert refusal.kind != "unknown_model"
    assert writer.quirks.learn(refusal, before)
    new = {"max_completion_tokens"} if gone == "max_tokens" else set()
    assert parts_of(writer) == USUAL - {gone} | new
    (said,) = writer.quirks.adapted
    assert {"max_tokens": "max_completion_tokens"}.get(gone, gone) in said
    assert writer.quirks.learn(refusal, before), "another request was on its way already"
    assert not writer.quirks.learn(refusal, writer.quirks.met), "once more it is a refusal"
    assert writer.quirks.adapted == (said,)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "no"}),
        # Another parameter is named, whatever else the words hold.
        (400, {"message": "unsupported, as is temperature here", "param": "top_k"}),
        (400, {"message": "max_tokens is too large: this model supports at most 4096", "param": "max_tokens"}),
        # What the server repeats of the request is none of its words.
        (422, {"detail": [{"loc": ["body", "x"], "msg": "wrong", "input": "an invalid temperature"}]}),
        (429, {"message": "unsupported temperature"}),
        (500, {"message": "Invalid state: the system is overloaded"}),
    ],
)  # fmt: skip
def test_a_refusal_of_something_else_changes_nothing(status: int, error: Any) -> None:
    quirks = Quirks(PROTOCOL.quirks)
    assert not quirks.learn(refusal_of(status, error), frozenset())
    assert quirks.met == frozenset()


def test_parameters_are_adapted_one_by_one() -> None:
    quirks = Quirks(PROTOCOL.quirks)
    both = refusal_of(400, {"message": "unsupported: 'temperature', 'seed'"})
    assert [quirks.learn(both, quirks.met) for _ in range(3)] == [True, True, False]
    assert len(quirks.adapted) == len(quirks.met) == 2


def test_no_seed_is_sent_where_the_settings_say_so() -> None:
    settings = openai.OpenAISettings(base_url="http://localhost/v1", seed=False)
    quirks = Quirks(PROTOCOL.quirks, settings.quirks())
    writer = BodyWriter(PROTOCOL, openai.JSON_SCHEMA, "m", {}, quirks)
    assert parts_of(writer) == USUAL - {"seed"}
    assert quirks.adapted == (), "that is nothing to be told"


def test_a_parameter_that_is_null_in_extra_is_not_sent() -> None:
    writer = writer_in(openai.JSON_SCHEMA, {"temperature": None, "seed": 3, "top_k": None})
    assert "temperature" not in (written := body(writer, temperature=0.9))
    assert (written["seed"], "top_k" in written) == (3, False)


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
        (402, b"Insufficient Balance", "quota"),
        (407, b"", "proxy"),
        # A filter, as Azure, OpenRouter and Alibaba's service tell it: the row's own fault.
        (
            400,
            b'{"error": {"message": "triggered the content management policy", "param": "prompt"}}',
            "refusal",
        ),
        (
            400,
            b'{"error": {"message": "no", "code": "content_filter", "param": "prompt"}}',
            "refusal",
        ),
        (403, b'{"error": {"message": "your input was flagged", "code": 403}}', "refusal"),
        (400, b'{"error": {"message": "no", "code": "data_inspection_failed"}}', "refusal"),
        # Codes and parameters before words.
        (
            400,
            b'{"error": {"message": "the model is unknown to temperature", "param": "temperature"}}',
            "bad_request",
        ),
        (
            400,
            b'{"error": {"message": "bad schema of messages", "code": "model_not_found"}}',
            "unknown_model",
        ),
        (400, b'{"error": {"message": "no", "param": "response_format"}}', "schema_refused"),
        (
            422,
            b'{"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}',
            "bad_request",
        ),
        (400, b'{"error": {"message": "no", "code": "context_length_exceeded"}}', "too_long"),
        (
            422,
            b'{"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1024."}',
            "too_long",
        ),
        # Errors that are passed on with the status 200.
        (200, b'{"error": {"message": "Provider returned error", "code": 502}}', "server_error"),
        (200, b'{"error": {"message": "Rate limit exceeded", "code": 429}}', "rate_limit"),
        (200, b'{"error": {"message": "what", "code": "odd"}}', "empty"),
        (400, b"[" * 100_000, "bad_request"),
    ],
)
def test_what_answers_mean(status: int, body: bytes, kind: str) -> None:
    assert read(status, JSON, body).kind == kind


def test_a_refusal_in_words() -> None:
    body = {"choices": [{"message": {"content": None, "refusal": "I cannot."}}]}
    got = read(200, JSON, json.dumps(body).encode())
    assert (got.kind, got.detail) == ("refusal", "I cannot.")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": [{"type": "text", "text": '{"a":'}, {"type": "text", "text": " 1}"}]}, '{"a": 1}'),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                    {"type": "text", "text": "{}"},
                ]
            },
            "{}",
        ),
        ({"content": ["{", "}"]}, "{}"),
        ({"content": None, "reasoning_content": "{}"}, "{}"),
        ({"content": "", "reasoning": "{}"}, "{}"),
        ({"content": "{}", "reasoning_content": "hm"}, "{}"),
        ({"content": None, "tool_calls": [{"function": {"name": "json", "arguments": "{}"}}]}, "{}"),
    ],
)  # fmt: skip
def test_a_reply_may_stand_elsewhere_in_the_message(message: Any, text: str) -> None:
    choice = {"finish_reason": "stop", "message": message}
    got = read(200, JSON, json.dumps({"choices": [choice]}).encode())
    assert (got.kind, got.text) == ("reply", text)


def test_a_conversation_with_tools_is_sent_as_such_and_what_is_called_is_read_in_words() -> None:
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    turns = (
        Message("tools", json.dumps(tools)),
        Message("user", "a?"),
        Message("assistant", "I look."),
        Message("call", '{"name": "find", "arguments": {"a": 1}}'),
        Message("tool", "one"),
    )
    asked = Request(turns, None, 50, 0.0, "m")
    writer = BodyWriter(PROTOCOL, PROTOCOL.mode("prompt"), "m", {}, Quirks(PROTOCOL.quirks))
    body = orjson.loads(writer.body(asked, writer.turns(asked), 50))
    assert body["tools"] == tools
    asks, calls, answers = body["messages"]
    (call,) = calls["tool_calls"]
    assert (asks["content"], calls["content"]) == ("a?", "I look.")
    assert call["function"] == {"name": "find", "arguments": '{"a": 1}'}
    assert (answers["role"], answers["tool_call_id"]) == ("tool", call["id"])
    said = {
        "content": None,
        "tool_calls": [{"function": {"name": "find", "arguments": '{"a": 2}'}}],
    }
    reply = {"choices": [{"finish_reason": "tool_calls", "message": said}]}
    got = read(200, JSON, json.dumps(reply).encode())
    assert (
        got.to(asked).text == '<tool_call>\n{"name": "find", "arguments": {"a": 2}}\n</tool_call>'
    )
    nothing = {"content": "", "tool_calls": [{"function": {"name": "now", "arguments": ""}}]}
    reply = {"choices": [{"finish_reason": "tool_calls", "message": nothing}]}
    got = read(200, JSON, json.dumps(reply).encode()).to(asked)
    assert (got.kind, got.text) == (
        "reply",
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
    )


def test_a_thought_that_was_cut_is_no_reply() -> None:
    choice = {"finish_reason": "length", "message": {"content": None, "reasoning_content": "hm {"}}
    got = read(200, JSON, json.dumps({"choices": [choice]}).encode())
    assert (got.kind, got.text) == ("reply", "")


def test_half_of_a_surrogate_pair_is_no_broken_body() -> None:
    got = read(200, JSON, answer().replace(b"{}", b"\\ud800"))
    assert (got.kind, got.text) == ("reply", "\\ud800")


def test_a_stream_that_nobody_asked_for() -> None:
    events: list[dict[str, Any]] = [
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
    events[0]["choices"] = [{"delta": {"content": [{"type": "text", "text": '{"a": '}]}}]
    events[1]["choices"] = [{"delta": {"content": None, "reasoning_content": "hm"}}]
    lines = [b"data: " + json.dumps(event).encode() for event in events]
    assert read(200, headers, b"\n\n".join(lines)).text == '{"a": '
