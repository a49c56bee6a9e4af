"""How long replies are asked for: every way in which servers refuse a length ends in usable replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from engine.backends.http.complaint import complaint_of
from engine.backends.http.exchange import Exchange
from engine.backends.http.lengths.limits import ReplyLength, ReplyLimits, first_length
from engine.backends.http.lengths.refusals import RefusedLength, refused_length
from engine.backends.openai_answers import read
from engine.backends.protocol import Generator, Message, Request
from engine.errors import BackendError
from tests.backends.http.test_adaptations import SCHEMA, came, errors, opened
from tests.backends.http.test_faults import opened as opened_as
from tests.servers.endpoint import Behaviour, Endpoint
from tests.servers.faults import Script
from tests.servers.messages import messages_endpoint
from tests.servers.replies import marked

pytestmark = pytest.mark.runs

WANTED = 35_081
"""What one call of a large pack may take at worst."""
MOST, CONTEXT = 8_192, 6_000
BOTH = "This model's maximum context length is"


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.backends.http.patience.BACKOFF", 0.02)
    monkeypatch.setenv("PADA_TEST_KEY", "key")


def asked(count: int, words: int = 200, wanted: int = WANTED) -> list[Request]:
    text = "parcels and " * (words // 2)
    turns = [(Message("user", f"{marked(row)} {text}"),) for row in range(count)]
    return [Request(each, SCHEMA, wanted, 0.0, "m") for each in turns]


def error(message: str, param: str | None = None, code: Any = None) -> dict[str, Any]:
    kind = "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


# What servers say: of a reply that is longer than the model gives, and of prompt and reply together.

Says = Callable[[int, int], Any]
OF_REPLIES: dict[str, tuple[int, Says]] = {
    "OpenAI": (400, lambda p, m: error(
        f"max_tokens is too large: {m}. This model supports at most {MOST} completion tokens, whereas you provided "
        f"{m}.", "max_tokens")),
    "OpenAI's newer name": (400, lambda p, m: error(
        f"max_completion_tokens is too large: {m}. This model supports at most {MOST} completion tokens.",
        "max_completion_tokens", "invalid_value")),
    "in the parameter": (400, lambda p, m: error(
        "Param Incorrect", f"max_tokens is too large: {m}. This model supports at most {MOST} completion tokens", 400)),
    "Anthropic": (400, lambda p, m: {"type": "error", "error": {
        "type": "invalid_request_error",
        "message": f"max_tokens: {m} > {MOST}, which is the maximum allowed number of output tokens for claude-3-5"}}),
    "DeepSeek": (400, lambda p, m: error(
        f"Invalid max_tokens value, the valid range of max_tokens is [1, {MOST}]", None, "invalid_request_error")),
    "DashScope": (400, lambda p, m: error(
        f"<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, {MOST}]")),
    "Groq": (400, lambda p, m: error(
        f"`max_tokens` must be less than or equal to `{MOST}`, the maximum value for `max_tokens` is less than the "
        "`context_window` for this model", "max_tokens")),
    "Cohere": (400, lambda p, m: {"message":
        f"too many tokens: max tokens must be less than or equal to {MOST}, the maximum output for this model - "
        f"received {m}."}),
    "pydantic": (422, lambda p, m: {"detail": [
        {"loc": ["body", "max_tokens"], "msg": f"Input should be less than or equal to {MOST}", "input": m}]}),
    "Doubao": (400, lambda p, m: error(
        "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum value, "
        f"expected a value <= {MOST}, but got {m} instead.", "max_completion_tokens", "InvalidParameter")),
    "Gemini": (400, lambda p, m: [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
        f"Unable to submit request because it has a maxOutputTokens value of {m} but the supported range is from 1 "
        f"(inclusive) to {MOST + 1} (exclusive). Update the value and try again."}}]),
    "Bedrock": (400, lambda p, m: {"message":
        f"The maximum tokens you requested exceeds the model limit of {MOST}. Try again with a maximum tokens value "
        f"that is lower than {MOST}."}),
    "Fireworks": (400, lambda p, m: error(f"Requests with max_tokens > {MOST} must have stream=true")),
    "a thousands separator": (400, lambda p, m: error(f"max_tokens must not exceed {MOST:,}.", "max_tokens")),
    "a broken server": (500, lambda p, m: {"error": f"max_new_tokens={m} is above the limit of {MOST}"}),
    "without a number": (400, lambda p, m: error("The value is too large.", "max_tokens", "invalid_value")),
    "without a number, 416": (416, lambda p, m: {"message": "max_completion_tokens is limited for this model"}),
    "no credit": (402, lambda p, m: {"error": {"code": 402, "message":
        f"This request requires more credits, or fewer max_tokens. You requested up to {m} tokens, but can only "
        f"afford {MOST}."}}),
}  # fmt: skip
OF_BOTH: dict[str, tuple[int, Says]] = {
    "OpenAI": (400, lambda p, m: error(
        f"{BOTH} {CONTEXT} tokens. However, you requested {p + m} tokens ({p} in the messages, {m} in the completion). "
        "Please reduce the length of the messages or completion.", "messages", "context_length_exceeded")),
    "vLLM": (400, lambda p, m: {"object": "error", "type": "BadRequestError", "code": 400, "message":
        f"'max_tokens' or 'max_completion_tokens' is too large: {m}. {BOTH} {CONTEXT} tokens and your request has {p} "
        f"input tokens ({m} > {CONTEXT} - {p}). None", "param": None}),
    "vLLM that did not count": (400, lambda p, m: error(
        f"{BOTH} {CONTEXT} tokens. However, you requested {m} output tokens and your prompt contains at least "
        f"{max(1, CONTEXT - m + 1)} input tokens, for a total of at least {CONTEXT + 1} tokens.", "input_tokens", 400)),
    "vLLM, its newest": (400, lambda p, m: error(
        f"You passed {p} input tokens and requested {m} output tokens. However, the model's context length is only "
        f"{CONTEXT} tokens, resulting in a maximum input length of {max(0, CONTEXT - m)} tokens.", "input_tokens")),
    "vLLM of characters": (400, lambda p, m: error(
        f"You passed {4 * p} input characters and requested {m} output tokens. However, the model's context length "
        f"is only {CONTEXT} tokens, resulting in a maximum input length of 0 tokens.", "input_text")),
    "SGLang": (400, lambda p, m: error(
        f"Requested token count exceeds the model's maximum context length of {CONTEXT} tokens. You requested a total "
        f"of {p + m} tokens: {p} tokens from the input messages and {m} tokens for the completion.")),
    "TGI": (422, lambda p, m: {"error_type": "validation", "error":
        f"Input validation error: `inputs` tokens + `max_new_tokens` must be <= {CONTEXT}. Given: {p} `inputs` tokens "
        f"and {m} `max_new_tokens`"}),
    "TGI, short": (422, lambda p, m: {"error": f"`inputs` tokens + `max_new_tokens` must be <= {CONTEXT}"}),
    "Anthropic": (400, lambda p, m: {"type": "error", "error": {"type": "invalid_request_error", "message":
        f"input length and `max_tokens` exceed context limit: {p} + {m} > {CONTEXT}, decrease input length or "
        "`max_tokens` and try again"}}),
    "llama-cpp-python": (400, lambda p, m: error(
        f"{BOTH} {CONTEXT} tokens, however you requested {p + m} tokens ({p} in your prompt; {m} for the completion). "
        "Please reduce your prompt; or completion length.", "messages", "context_length_exceeded")),
    "OpenRouter": (400, lambda p, m: {"error": {"code": 400, "message":
        f"This endpoint's maximum context length is {CONTEXT} tokens. However, you requested about {p + m} tokens ({p} "
        f"of text input, {m} in the output). Please reduce the length of either one."}}),
    "only the context": (400, lambda p, m: error(f"{BOTH} {CONTEXT} tokens", None, "context_length_exceeded")),
    "a code alone": (400, lambda p, m: error("no", None, "context_length_exceeded")),
    "Groq's minute": (413, lambda p, m: {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message":
        "Request too large for model `llama-3.1-8b-instant` in organization `org_01` service tier `on_demand` on "
        f"tokens per minute (TPM): Limit {CONTEXT}, Requested {p + m}, please reduce your message size."}}),
    "OpenAI's minute": (429, lambda p, m: {"error": {"type": "tokens", "code": "rate_limit_exceeded", "message":
        f"Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit {CONTEXT}, Requested "
        f"{p + m}. The input or output tokens must be reduced in order to run successfully."}}),
}  # fmt: skip


def strict(status: int, says: Says, takes: Callable[[int, int], bool]) -> Behaviour:
    """Return a server that refuses what it does not take, so."""
    return Behaviour(refuses_length=lambda p, m: None if takes(p, m) else (status, says(p, m)))


def lengths(server: Endpoint) -> list[int]:
    return [e.body.get("max_tokens") or e.body["max_completion_tokens"] for e in server.log.asked]


def all_usable(
    server: Endpoint, model: Generator, requests: Sequence[Request], most: int = 1
) -> list[str]:
    """Ask twice, the second time other rows, of which each is sent `most` times; return what was adapted."""
    half = len(requests) // 2
    found = came(model, requests[:half])
    assert set(errors(found).values()) == {None}
    before = len(server.log)
    again = came(model, requests[half:])
    assert set(errors(again).values()) == {None}
    assert len(server.log) - before <= most * (len(requests) - half)
    return list(again[str(len(requests) - 1)].adapted)


@pytest.mark.parametrize("name", OF_REPLIES)
def test_a_reply_longer_than_the_model_gives_is_asked_for_shorter(name: str) -> None:
    status, says = OF_REPLIES[name]
    with Endpoint(strict(status, says, lambda p, m: m <= MOST)) as server:
        model = opened(server, concurrency=4)
        adapted = all_usable(server, model, asked(8))
        least = MOST // 2 if "without" in name else MOST
        assert least <= lengths(server)[-1] <= MOST
        assert adapted == [
            f"takes at most {lengths(server)[-1]:,} tokens for a reply: no more are asked for"
        ]
        assert "max_tokens" in server.log.asked[-1].body, "its name is not what was refused"
        refused = sum(length > MOST for length in lengths(server))
        assert refused == 1 + ("without" in name), "the first request finds it out"


@pytest.mark.parametrize("name", OF_BOTH)
def test_a_reply_that_its_prompt_leaves_no_room_for_is_asked_for_shorter(name: str) -> None:
    status, says = OF_BOTH[name]
    with Endpoint(strict(status, says, lambda p, m: p + m <= CONTEXT)) as server:
        model = opened(server, concurrency=4)
        long, short = asked(4, words=1000), asked(8)[4:]
        adapted = all_usable(server, model, [*long, *short], 3 if name == "a code alone" else 2)
        if name != "a code alone":
            (said,) = adapted
            assert said.startswith(f"takes {CONTEXT:,} tokens of prompt and reply together")
            assert lengths(server)[-1] > CONTEXT - 1000, "a short prompt leaves more"


@pytest.mark.parametrize("name", ["Anthropic", "without a number"])
def test_the_messages_api_is_asked_for_less_too(name: str) -> None:
    status, says = OF_REPLIES[name]
    behaviour = replace(strict(status, says, lambda p, m: m <= MOST), knows=("tool", "words"))
    with messages_endpoint(behaviour) as server:
        model = opened_as(server, "anthropic", base_url=server.root, structured="auto")
        all_usable(server, model, asked(8))
    status, says = OF_BOTH["Anthropic"]
    behaviour = replace(
        strict(status, says, lambda p, m: p + m <= CONTEXT), knows=("tool", "words")
    )
    with messages_endpoint(behaviour) as server:
        model = opened_as(server, "anthropic", base_url=server.root, structured="auto")
        all_usable(server, model, asked(8))


def test_the_limits_name_and_size_are_adapted_one_after_the_other() -> None:
    status, says = OF_REPLIES["OpenAI's newer name"]
    behaviour = replace(strict(status, says, lambda p, m: m <= MOST), takes_not=("max_tokens",))
    with Endpoint(behaviour) as server:
        adapted = all_usable(server, opened(server, structured="auto"), asked(4))
        assert len(adapted) == 2
        assert server.log.asked[-1].body["max_completion_tokens"] == MOST


def test_requests_in_flight_are_sent_again_and_halve_nothing_twice() -> None:
    status, says = OF_REPLIES["without a number"]
    with Endpoint(strict(status, says, lambda p, m: m <= MOST)) as server:
        model = opened(server, concurrency=8)
        model_requests = asked(12)
        came(model, model_requests[:1])
        server.log.asked.clear()
        server.behave(strict(status, says, lambda p, m: m <= 3000))
        assert set(errors(came(model, model_requests[1:])).values()) == {None}
        assert set(lengths(server)) == {8770 // 2, 8770 // 4}


def test_nothing_is_asked_for_below_the_least() -> None:
    status, says = OF_REPLIES["without a number"]
    with Endpoint(strict(status, says, lambda p, m: m < 200)) as server:
        with pytest.raises(BackendError, match="The value is too large"):
            came(opened(server), asked(2))
        assert min(lengths(server)[:-1]) == 256


def test_a_prompt_too_long_for_its_server_fails_alone_and_teaches_the_others_nothing() -> None:
    status, says = OF_BOTH["a code alone"]
    requests = [*asked(1, words=5000), *asked(3)[1:]]
    with Endpoint(strict(status, says, lambda p, m: p + m <= CONTEXT)) as server:
        found = came(opened(server), requests)
        assert errors(found) == {"0": "too_long", "1": None, "2": None}
        assert found["1"].adapted == ()


# What settings say.


def test_max_reply_and_context_are_kept_to_before_anything_is_sent() -> None:
    with Endpoint(strict(400, lambda p, m: error("no"), lambda p, m: m <= 3000)) as server:
        assert set(errors(came(opened(server, max_reply=3000), asked(3))).values()) == {None}
        assert lengths(server) == [3000] * 3
    with Endpoint(strict(400, lambda p, m: error("no"), lambda p, m: p + m <= 4096)) as server:
        found = came(opened(server, context=4096), asked(3))
        assert set(errors(found).values()) == {None}
        assert all(found[row].adapted == () for row in found)
        assert min(lengths(server)) > 3000
        beyond = came(opened(server, context=4096), asked(1, words=2700))
        assert errors(beyond) == {"0": "too_long"}
        assert "256 for the reply do not fit into a context of 4,096" in beyond["0"].detail


def test_a_reply_cut_at_the_most_is_final_and_says_what_to_do() -> None:
    with Endpoint(Behaviour(Script(always="length"))) as server:
        found = came(opened(server, max_reply=3000), asked(1))
        assert lengths(server) == [3000]
        assert found["0"].error == "length"
        assert "cut after max_tokens (3000)" in found["0"].detail
        assert "`models.teacher.pack`" in found["0"].detail
    with Endpoint(Behaviour(Script(always="hidden_thinking"))) as server:
        found = came(opened(server, max_reply=3000), asked(1))
        assert lengths(server) == [3000]
        assert "raise" not in found["0"].detail


def test_a_reply_cut_at_an_estimated_room_is_asked_for_once_more() -> None:
    with Endpoint(Behaviour(Script(rows={"0": ("length",)}))) as server:
        found = came(opened(server, context=4096), asked(1))
        assert errors(found) == {"0": None}
        assert lengths(server)[0] < lengths(server)[1] == 4096


def test_half_of_a_large_limit_is_asked_for_at_first_and_all_of_it_after_a_cut() -> None:
    with Endpoint(Behaviour(Script(rows={"0": ("length",)}))) as server:
        assert errors(came(opened(server), asked(1))) == {"0": None}
        assert lengths(server) == [17_541, 35_082]
    (request,) = asked(1, wanted=10_000)
    assert first_length(replace(request, thinking_tokens=8_000)).wanted == 9_024
    assert first_length(replace(request, schema=None)).wanted == 10_000
    assert first_length(replace(request, max_tokens=900)).wanted == 900


def test_the_room_for_thinking_does_not_change_what_a_request_is() -> None:
    (request,) = asked(1)
    thinking = replace(request, thinking_tokens=100)
    assert (thinking.id, thinking) == (request.id, request)


# What is none of it.


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                    "'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter")),
        (422, {"detail": [{"loc": ["body", "max_tokens"], "msg": "Extra inputs are not permitted"}]}),
        (400, error("max_tokens must be at least 1", "max_tokens")),
        (400, error("`max_tokens` must be greater than `thinking.budget_tokens`")),
        (400, error("Could not finish the message because max_tokens or model output limit was reached.")),
        (400, error("temperature is too large; max_tokens is 5", "temperature")),
        (400, error("Invalid schema: expected at most 500 enum values.", "response_format")),
        (400, {"type": "error", "error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
        (413, {"error": "Request Entity Too Large"}),
        (429, error("Rate limit reached on tokens per min (TPM): Limit 6000, Used 5034, Requested 1443.")),
        (402, error("Insufficient credits")),
    ],
)  # fmt: skip
def test_other_refusals_are_not_about_a_length(status: int, body: Any) -> None:
    assert refused_length(read(status, {}, json.dumps(body).encode())) is None


def test_a_refusal_with_endless_text_is_read_at_once() -> None:
    text = "max_tokens context length is 1 range " * 100_000
    exchange = Exchange("bad_request", status=400, complaint=complaint_of(text.encode()))
    assert refused_length(exchange._replace(detail=text)) is not None


@pytest.mark.parametrize(
    "refused",
    [RefusedLength(most=100), RefusedLength(most=9000), RefusedLength(context=9000, prompt=100)],
)
def test_numbers_that_make_no_sense_are_no_reason_to_send_again(refused: RefusedLength) -> None:
    limits, length = ReplyLimits(), ReplyLength(5000)
    limits.ask(length, ())
    assert not limits.learn(refused, length, ())
    assert limits.adapted == ()
