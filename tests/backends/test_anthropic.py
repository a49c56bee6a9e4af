"""The Anthropic Messages API: what is written, what answers mean, and every fault of a server that speaks it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import orjson
import pytest

from engine.backends import BACKENDS, anthropic
from engine.backends.anthropic import PROTOCOL, AnthropicSettings, read
from engine.backends.http.body import BodyWriter
from engine.backends.http.quirks import Quirks
from engine.backends.protocol import Generator, Message, Request, Usage
from engine.errors import BackendError
from tests.backends.http.test_faults import (
    KEY,
    KEY_NAME,
    SCHEMA,
    Came,
    assert_no_key,
    came,
    opened,
    request,
    requests,
)
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import MIXED, Script
from tests.servers.messages import messages_endpoint

pytestmark = pytest.mark.runs

KNOWS: dict[str, Any] = {"knows": ("tool", "words")}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backends.http.patience.BACKOFF", 0.02)
    monkeypatch.setenv(KEY_NAME, KEY)


def model(server: Endpoint, **settings: Any) -> Generator:
    return opened(
        server, "anthropic", **{"base_url": server.root, "structured": "tool", **settings}
    )


def one_fault(*faults: str, **more: Any) -> Endpoint:
    script = Script(rows={"3": faults})
    return messages_endpoint(Behaviour(script, retry_after=0.2, hang=5, key=KEY, **KNOWS, **more))


# What is written.


def written(mode: str, asked: Request, *turns: Message) -> dict[str, Any]:
    quirks = Quirks(PROTOCOL.quirks)
    writer = BodyWriter(PROTOCOL, PROTOCOL.mode(mode), "m", {"top_k": 5}, quirks)
    body: dict[str, Any] = orjson.loads(
        writer.body(asked, (*writer.turns(asked), *turns), asked.max_tokens)
    )
    return body


def test_a_request_as_the_documentation_has_it() -> None:
    body = written("tool", replace(request(1), temperature=0.9))
    assert body["system"] == "Be short."
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert (body["max_tokens"], body["temperature"], body["top_k"]) == (100, 0.9, 5)
    assert "seed" not in body
    (tool,) = body["tools"]
    assert tool["input_schema"] == SCHEMA
    assert body["tool_choice"]["type"] == "tool"
    assert body["tool_choice"]["name"] == tool["name"]
    words = written("prompt", request(1))
    assert "tools" not in words
    assert words["system"].startswith("Be short.\n")
    assert json.dumps(SCHEMA) in words["system"]


def test_a_temperature_beyond_the_highest_is_the_highest() -> None:
    assert written("tool", replace(request(1), temperature=1.6))["temperature"] == 1.0


def test_a_conversation_with_tools_is_blocks_and_what_is_called_is_read_in_words() -> None:
    turns = (
        Message("tools", json.dumps([{"type": "function", "function": {"name": "find", "parameters": SCHEMA}}])),
        Message("system", "Be kind."),
        Message("user", "a?"),
        Message("call", '{"name": "find", "arguments": {"a": 1}}'),
        Message("call", '{"name": "find", "arguments": {}}'),
        Message("tool", "one"),
        Message("tool", "two"),
        Message("user", "and?"),
    )  # fmt: skip
    asked = replace(request(1), messages=turns, schema=None)
    body = written("prompt", asked)
    assert body["system"] == "Be kind."
    assert body["tools"] == [{"name": "find", "input_schema": SCHEMA}]
    asks, calls, answers, more = body["messages"]
    assert (asks["content"], more["content"]) == ("a?", "and?")
    assert [block["input"] for block in calls["content"]] == [{"a": 1}, {}]
    assert [block["tool_use_id"] for block in answers["content"]] == [
        b["id"] for b in calls["content"]
    ]
    use = {"type": "tool_use", "id": "x", "name": "find", "input": {"a": 2}}
    reply = {"content": [{"type": "text", "text": "I look."}, use], "stop_reason": "tool_use"}
    got = read(200, {}, json.dumps(reply).encode())
    called = 'I look.\n<tool_call>\n{"name": "find", "arguments": {"a": 2}}\n</tool_call>'
    assert got.to(asked).text == called
    assert got.to(request(1)).text == '{"a": 2}', "with a schema it is the reply itself"


def test_plain_text_has_no_tool() -> None:
    plain = replace(request(1), schema=None)
    assert {"tools", "tool_choice"} & written("prompt", plain).keys() == set()


def test_every_mode_of_the_settings_is_one_of_the_protocol() -> None:
    names = get_args(AnthropicSettings.model_fields["structured"].annotation)
    assert {"auto", *(mode.name for mode in PROTOCOL.modes)} == set(names)


# What answers mean.


def reply(content: Any, stop: str = "end_turn", **more: Any) -> bytes:
    return json.dumps({"content": content, "stop_reason": stop, "model": "c-1", **more}).encode()


def error(kind: str, said: str, **more: Any) -> bytes:
    told = {"type": kind, "message": said, **more}
    return json.dumps({"type": "error", "error": told, "request_id": "r"}).encode()


TEXT = [{"type": "text", "text": "well"}]
TOOL = [{"type": "text", "text": "Here:"}, {"type": "tool_use", "name": "reply", "input": {"a": 1}}]


@pytest.mark.parametrize(
    ("body", "kind", "text", "finish"),
    [
        (reply(TEXT), "reply", "well", "stop"),
        (
            reply([{"type": "thinking", "thinking": "hm"}, *TEXT, *TEXT]),
            "reply",
            "wellwell",
            "stop",
        ),
        (reply(TOOL, "tool_use"), "reply", '{"a": 1}', "stop"),
        (reply(TEXT, "max_tokens"), "reply", "well", "length"),
        (reply([], "max_tokens"), "reply", "", "length"),
        (reply(TEXT, "model_context_window_exceeded"), "reply", "well", "length"),
        (reply(TEXT, "stop_sequence"), "reply", "well", "stop"),
        (reply(TEXT, "pause_turn"), "reply", "well", "pause_turn"),
        (reply([], "refusal"), "refusal", "", "refusal"),
        (reply([]), "empty", "", "stop"),
        (reply(None), "empty", "", ""),
        (b"[]", "empty", "", ""),
        (b"<html>", "bad_body", "", ""),
        (b"", "bad_body", "", ""),
    ],
)
def test_what_replies_mean(body: bytes, kind: str, text: str, finish: str) -> None:
    exchange = read(200, {}, body)
    assert (exchange.kind, exchange.text, exchange.finish) == (kind, text, finish)


def test_a_refusal_says_why_where_the_server_does() -> None:
    told = read(200, {}, reply([], "refusal", stop_details={"explanation": "Not this."}))
    assert told.detail == "Not this."
    assert "refuses" in read(200, {}, reply([], "refusal")).detail


def test_all_tokens_of_a_prompt_are_counted_wherever_they_came_from() -> None:
    usage = {
        "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20,
    }  # fmt: skip
    exchange = read(200, {}, reply(TEXT, usage=usage))
    assert exchange.usage == Usage(130, 5, 100)
    assert exchange.server == "c-1"
    assert read(200, {}, reply(TEXT)).usage == Usage()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("invalid_request_error", "max_tokens: Field required"), "bad_request"),
        (400, error("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"), "too_long"),
        (400, error("invalid_request_error", "tools.0.custom.input_schema: no"), "schema_refused"),
        (400, error("invalid_request_error", "Your credit balance is too low to access"), "quota"),
        (400, error("invalid_request_error", "You have reached your specified API usage limits."), "quota"),
        (401, error("authentication_error", "invalid x-api-key"), "auth"),
        (402, error("billing_error", "no"), "quota"),
        (403, error("permission_error", "no"), "auth"),
        (404, error("not_found_error", "model: nothing-4"), "unknown_model"),
        (404, error("not_found_error", "Not Found"), "bad_address"),
        (404, b"Not Found", "bad_address"),
        (405, b"", "bad_address"),
        (301, b"", "bad_address"),
        (409, error("conflict_error", "no"), "server_error"),
        (413, error("request_too_large", "no"), "too_long"),
        (429, error("rate_limit_error", "slow down"), "rate_limit"),
        (429, error("rate_limit_error", "no", details={"error_code": "enforced_spend_limit_reached"}), "quota"),
        (500, error("api_error", "no"), "server_error"),
        (504, error("timeout_error", "no"), "server_error"),
        (529, error("overloaded_error", "Overloaded"), "server_error"),
    ],
)  # fmt: skip
def test_what_errors_mean(status: int, body: bytes, kind: str) -> None:
    exchange = read(status, {"Retry-After": "3"}, body)
    assert exchange.kind == kind
    wanted = 3.0 if kind in {"rate_limit", "server_error"} else None
    assert (exchange.status, exchange.retry_after) == (status, wanted)


# A server that speaks it.


def test_replies_with_their_tokens_and_their_price() -> None:
    price = {"prompt": 2.0, "completion": 10.0, "cached": 0.5}
    with messages_endpoint(Behaviour(key=KEY, **KNOWS)) as server:
        [done] = came(model(server, price=price), [request(1)]).all["1"]
        [asked] = server.log.of(1)
    assert done.error is None
    assert done.value is not None
    assert (done.method, done.in_words, done.sent) == ("tool", False, None)
    assert done.server == "m-20260101"
    usage = done.usage
    assert usage.prompt_tokens is not None
    assert usage.completion_tokens is not None
    assert usage.cached_tokens == len("Be short.") // 4
    fresh = usage.prompt_tokens - usage.cached_tokens
    expected = fresh * 2.0 + usage.cached_tokens * 0.5 + usage.completion_tokens * 10.0
    assert done.cost == pytest.approx(expected / 1e6)
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.headers["x-api-key"] == KEY
    assert "authorization" not in asked.headers


def test_plain_text_is_asked_for_as_such() -> None:
    with messages_endpoint(Behaviour(says=("a label",), **KNOWS)) as server:
        asked = [replace(each, schema=None) for each in requests(5)]
        found = came(model(server, structured="auto"), asked)
        assert {done.value for done in found.final.values()} == {"a label"}
        assert {done.method for done in found.final.values()} == {"text"}
        assert len(server.log) == 5, "nothing must be found out for plain text"


@pytest.mark.parametrize(
    ("behaviour", "method", "usable"),
    [
        ({}, "tool", True),
        ({"knows": ("words",)}, "prompt", True),
        ({"knows": ("words",), "refuses": True}, "prompt", True),
        ({"knows": ()}, "prompt", False),
    ],
    ids=["all", "ignores tools", "refuses tools", "prose"],
)
def test_the_mode_is_found(behaviour: dict[str, Any], method: str, usable: bool) -> None:
    with messages_endpoint(Behaviour(**{**KNOWS, **behaviour})) as server:
        found = came(model(server, structured="auto"), requests(12))
        assert {done.method for done in found.final.values()} == {method}
        assert {done.in_words for done in found.final.values()} == {method == "prompt"}
        assert set(found.errors.values()) == {None if usable else "invalid_json"}
        probes = [each for each in server.log.asked if not each.row.isdigit()]
        assert 1 <= len(probes) <= 2


@pytest.mark.parametrize("structured", ["auto", "tool", "prompt"])
def test_a_model_that_takes_no_temperature_is_asked_without(structured: str) -> None:
    with messages_endpoint(Behaviour(takes_temperature=False, **KNOWS)) as server:
        found = came(model(server, structured=structured), requests(12))
        assert set(found.errors.values()) == {None}
        with_it = ["temperature" in each.body for each in server.log.asked]
        assert with_it[0]
        assert with_it.count(True) == 1, "its first answer says so"


def test_a_model_that_thinks_takes_its_own_temperature() -> None:
    said = "`temperature` may only be set to 1 when thinking is enabled."
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": said}}
    quirks = Quirks(PROTOCOL.quirks)
    assert quirks.learn(PROTOCOL.read(400, {}, json.dumps(error).encode()), quirks.met)
    (adapted,) = quirks.adapted
    assert "takes no `temperature`" in adapted


NO_REPLY = {
    "rate_limit": ("rate_limit", 429), "rate_limit_after": ("rate_limit", 429),
    "rate_limit_date": ("rate_limit", 429), "overloaded": ("server_error", 529),
    "timeout_error": ("server_error", 504), "error_500": ("server_error", 500),
    "error_502": ("server_error", 502), "error_503": ("server_error", 503),
    "leaks_key": ("server_error", 500), "drop": ("connection", None), "hang": ("timeout", None),
    "truncated_body": ("truncated_body", None), "not_json": ("bad_body", 200),
    "empty_body": ("bad_body", 200), "not_an_object": ("empty", 200),
    "empty_choices": ("empty", 200),
}  # fmt: skip
BAD_REPLY = {
    "breaks_schema": "schema", "numbers_as_strings": "schema", "length": "length",
    "refusal": "refusal", "null_content": "empty", "hidden_thinking": "thinking",
}  # fmt: skip
IN_WORDS = {
    "invalid_json": "invalid_json", "prose": "invalid_json",
    "lone_surrogate": "invalid_json", "duplicate_keys": "invalid_json", "infinite": "invalid_json",
}  # fmt: skip


def assert_only_row_3_was_asked_again(server: Endpoint, found: Came, times: int) -> None:
    assert found.errors == {str(row): None for row in range(12)}
    assert server.log.rows == {str(row): 1 for row in range(12)} | {"3": times}
    assert server.log.asked_again() == []


def test_a_first_row_that_is_filtered_fails_alone() -> None:
    with one_fault("filtered", "filtered") as server:
        found = came(model(server), [request(3), *requests(3)])
        assert found.errors == {"3": "refusal", "0": None, "1": None, "2": None}
        assert server.log.rows["3"] == 1


@pytest.mark.parametrize("fault", NO_REPLY)
def test_a_fault_without_a_reply_is_tried_again_and_noted(fault: str) -> None:
    with one_fault(fault) as server:
        found = came(model(server), requests(12))
        assert_only_row_3_was_asked_again(server, found, 2)
        [done] = found.all["3"]
        assert [(t.kind, t.status) for t in done.tries] == [NO_REPLY[fault]]
        if fault == "rate_limit_after":
            first, second = server.log.of(3)
            assert second.at - first.at >= 0.2


@pytest.mark.parametrize("fault", [*BAD_REPLY, *IN_WORDS])
def test_an_unusable_reply_is_kept_and_asked_again(fault: str) -> None:
    structured = "prompt" if fault in IN_WORDS else "tool"
    kind = {**BAD_REPLY, **IN_WORDS}[fault]
    with one_fault(fault) as server:
        found = came(model(server, structured=structured), requests(12))
        assert_only_row_3_was_asked_again(server, found, 2)
        bad, good = found.all["3"]
        assert (bad.error, bad.final, good.final) == (kind, False, True)
        assert bad.detail
        assert bad.usage.prompt_tokens
        first, second = (each.body for each in server.log.of(3))
        if kind in {"schema", "invalid_json"}:
            assert [turn["role"] for turn in second["messages"]] == ["user", "assistant", "user"]
            assert second["messages"][1]["content"] == bad.text
        if kind in {"length", "thinking"}:
            assert second["max_tokens"] > first["max_tokens"]


def test_a_reply_whose_tokens_are_not_told_costs_nobody_knows_what() -> None:
    with one_fault("no_usage") as server:
        found = came(model(server, price={"prompt": 1, "completion": 1}), requests(12))
        assert_only_row_3_was_asked_again(server, found, 1)
        assert found.final["3"].cost is None
        assert found.final["3"].usage == Usage()
        assert found.final["4"].cost


@pytest.mark.parametrize("fault", ["too_long", "bad_schema", "unknown_model", "wrong_path"])
def test_one_refused_row_of_many_is_a_failure_of_its_own(fault: str) -> None:
    script = Script(rows={"30": (fault,) * 9})
    with messages_endpoint(Behaviour(script, **KNOWS)) as server:
        found = came(model(server), requests(60))
        assert {row for row, kind in found.errors.items() if kind} == {"30"}
        assert server.log.rows["30"] == 1


@pytest.mark.parametrize("structured", ["tool", "auto"])
@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ({"key": "another"}, "refuses the key"),
        ({"script": Script(always="forbidden")}, "refuses the key"),
        ({"models": ("other",)}, "does not know this model"),
        ({"script": Script(always="billing")}, "no credit left"),
        ({"script": Script(always="no_credit")}, "no credit left"),
        ({"script": Script(always="spend_limit")}, "no credit left"),
        ({"script": Script(always="monthly_limit")}, "no credit left"),
    ],
    ids=["wrong key", "no access", "unknown model", "billing", "no credit", "spend limit", "month"],
)
def test_a_mistake_stops_at_the_first_call_and_says_what_to_do(
    behaviour: dict[str, Any], message: str, structured: str
) -> None:
    with messages_endpoint(Behaviour(**KNOWS, **behaviour)) as server:
        with pytest.raises(BackendError, match=message) as caught:
            came(model(server, structured=structured, concurrency=64), requests(100))
        assert len(server.log) == 1
        assert caught.value.hint
        assert_no_key(str(caught.value))


def test_a_wrong_path_is_told_from_an_unknown_model() -> None:
    with messages_endpoint() as server:
        with pytest.raises(BackendError, match="no chat endpoint at this address") as caught:
            came(model(server, base_url=server.url), requests(3))
        assert "ends where /v1/messages begins" in caught.value.hint


def test_a_server_that_is_always_busy_ends_the_run() -> None:
    with one_fault() as server:
        server.behave(Behaviour(Script(always="rate_limit"), **KNOWS))
        with pytest.raises(BackendError, match="keeps asking to come back later"):
            came(model(server, patience_s=0.3), requests(12))


def test_with_a_fifth_of_mixed_faults_all_rows_finish() -> None:
    kinds = tuple(kind for kind in MIXED if kind in {**NO_REPLY, **BAD_REPLY} and kind != "hang")
    script = Script(rate=0.2, seed=3, kinds=(*kinds, "overloaded"))
    with messages_endpoint(Behaviour(script, retry_after=0.05, **KNOWS)) as server:
        found = came(model(server, attempts=9, corrections=9), requests(200))
        assert Counter(found.errors.values()) == {None: 200}
        assert len(server.log.faults) >= 8


def test_it_is_a_teacher_a_judge_or_a_student_and_costs_money() -> None:
    backend = BACKENDS["anthropic"]
    assert backend is anthropic.BACKEND
    assert set(backend.roles) == {"student", "teacher", "judge"}
    assert backend.host is not None
    assert backend.priced
    assert backend.endpoint is None, "what times a student speaks another protocol"
    chosen = {"base_url": "https://api.anthropic.com", "api_key": {"env": "SOME_KEY"}}
    settings = backend.parse(chosen)
    assert backend.host is not None
    assert backend.host(settings) == "api.anthropic.com:443"
    assert backend.secrets(settings) == ("SOME_KEY",)
