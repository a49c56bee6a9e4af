"""The server that speaks the Messages API, looked at with a bare client: it must be as strict as the real one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from engine.backends.structured import read_reply
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.messages import VERSION, messages_endpoint

SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["score"],
    "additionalProperties": False,
}
BODY: dict[str, Any] = {
    "model": "m",
    "max_tokens": 50,
    "system": "Be short.",
    "messages": [{"role": "user", "content": "How good is it?"}],
}
TOOL: dict[str, Any] = {
    "tools": [{"name": "rate", "input_schema": SCHEMA}],
    "tool_choice": {"type": "tool", "name": "rate"},
}
HEADERS = {"x-api-key": "key", "anthropic-version": VERSION}


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with messages_endpoint(Behaviour(key="key", knows=("tool", "words"))) as found:
        yield found


def post(
    server: Endpoint, body: dict[str, Any], headers: dict[str, str] = HEADERS
) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{server.root}/v1/messages", json.dumps(body).encode(), headers, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_a_tool_that_must_be_used_is_used(server: Endpoint) -> None:
    status, answer = post(server, BODY | TOOL)
    assert (status, answer["stop_reason"]) == (200, "tool_use")
    (used,) = [block for block in answer["content"] if block["type"] == "tool_use"]
    assert used["name"] == "rate"
    assert read_reply(json.dumps(used["input"]), SCHEMA).error is None
    assert answer["usage"]["cache_read_input_tokens"] == len("Be short.") // 4


def test_without_a_tool_it_talks(server: Endpoint) -> None:
    _, answer = post(server, BODY)
    assert answer["stop_reason"] == "end_turn"
    assert [block["type"] for block in answer["content"]] == ["thinking", "text"]


WITH_SYSTEM = {"messages": [{"role": "system", "content": "Be short."}, *BODY["messages"]]}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no limit": ({"max_tokens": None}, "max_tokens"),
    "a system turn": (WITH_SYSTEM, "role"),
    "no turns": ({"messages": []}, "at least one message"),
    "an empty turn": ({"messages": [{"role": "user", "content": " "}]}, "non-empty"),
    "a seed": ({"seed": 1}, "seed: Extra inputs are not permitted"),
    "a response format": ({"response_format": {"type": "json_object"}}, "not permitted"),
    "too warm": ({"temperature": 1.5}, "range: 0..1"),
    "no such tool": (TOOL | {"tool_choice": {"type": "tool", "name": "x"}}, "no tool is called x"),
    "no object": (TOOL | {"tools": [{"name": "rate", "input_schema": {"type": "array"}}]}, "object"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_documentation_does_not_allow_is_refused(
    server: Endpoint, change: dict[str, Any], message: str
) -> None:
    body = {name: value for name, value in (BODY | change).items() if value is not None}
    status, answer = post(server, body)
    assert (status, answer["type"]) == (400, "error")
    assert answer["error"]["type"] == "invalid_request_error"
    assert message in answer["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status", "kind"),
    [
        ({"anthropic-version": VERSION}, 401, "authentication_error"),
        ({"x-api-key": "other", "anthropic-version": VERSION}, 401, "authentication_error"),
        (
            {"Authorization": "Bearer key", "anthropic-version": VERSION},
            401,
            "authentication_error",
        ),
        ({"x-api-key": "key"}, 400, "invalid_request_error"),
    ],
)
def test_it_wants_its_key_and_its_version(
    server: Endpoint, headers: dict[str, str], status: int, kind: str
) -> None:
    found, answer = post(server, BODY, headers)
    assert (found, answer["error"]["type"]) == (status, kind)
