"""A server on loopback that speaks the Anthropic Messages API as its public documentation has it, faults included.

`with messages_endpoint(Behaviour(...)) as server:`; it is strict: what the documentation does not name is refused,
as are a missing version, system turns among the messages, and a tool that is not there.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web

from engine.fingerprint import short
from tests.servers import answers, replies
from tests.servers.endpoint import Behaviour, Endpoint, Service
from tests.servers.faults import USABLE, spoiled
from tests.servers.log import Asked

VERSION = "2023-06-01"
PARAMETERS = {
    "model", "messages", "max_tokens", "metadata", "service_tier", "stop_sequences", "stream", "system",
    "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p", "output_config", "container",
}  # fmt: skip
_STATUS = {"error_500": 500, "error_502": 502, "error_503": 503}


def messages_endpoint(behaviour: Behaviour | None = None) -> Endpoint:
    """Return such a server, to be used in a `with` block; its `root` is the base URL."""
    return Endpoint(behaviour or Behaviour(knows=("tool", "words")), MessagesService)


class MessagesService(Service):
    """The server itself."""

    def _route(self, app: web.Application) -> None:
        app.router.add_post("/v1/messages", self._complete)

    def _limited(self, fault: str) -> web.Response:
        after = self.behaviour.retry_after
        headers = {}
        if fault == "rate_limit_after":
            headers = {"retry-after": f"{after:g}"}
        elif fault == "rate_limit_date":
            headers = {"retry-after": formatdate(time.time() + after + 1, usegmt=True)}
        said = "This request would exceed your organization's rate limit of 50 requests per minute."
        return error(429, "rate_limit_error", said, headers)

    def _refused(self, entry: Asked) -> web.Response | None:
        return self._unknown(entry) or invalid(entry.body, self.behaviour) or self._failure(entry)

    def _unknown(self, entry: Asked) -> web.Response | None:
        """Return what is said to who has no key, no version or no model."""
        headers, behaviour = entry.headers, self.behaviour
        if behaviour.key is not None and headers.get("x-api-key") != behaviour.key:
            return error(
                401, "authentication_error", f"invalid x-api-key {headers.get('x-api-key')}"
            )
        if headers.get("anthropic-version") != VERSION:
            return wrong("anthropic-version: header is required")
        model = entry.body.get("model")
        if behaviour.models and model not in behaviour.models:
            return error(404, "not_found_error", f"model: {model}")
        return None

    def _failure(self, entry: Asked) -> web.Response | None:
        """Return what the fault makes of a request without a reply."""
        match entry.fault:
            case "rate_limit" | "rate_limit_after" | "rate_limit_date":
                return self._limited(entry.fault)
            case "error_500" | "error_502" | "error_503":
                return error(
                    _STATUS[entry.fault], "api_error", f"Internal server error {entry.headers}"
                )
            case "leaks_key":
                return web.Response(status=500, text="x" * 485 + entry.headers.get("x-api-key", ""))
        told = _TOLD.get(entry.fault or "")
        return None if told is None else error(*told)

    async def _wrong_path(self, request: web.Request) -> web.Response:
        return error(404, "not_found_error", "Not Found")

    async def _give(self, request: web.Request, entry: Asked) -> web.StreamResponse:
        behaviour, body = self.behaviour, entry.body
        way, schema = schema_asked(body)
        if way == "tool" and "tool" not in behaviour.knows:
            if behaviour.refuses:
                refusal = wrong("tool_choice: this model does not support tool use")
                return await self._finish(request, entry, refusal, usable=False)
            way, schema = None, None
        if way == "words" and "words" not in behaviour.knows:
            way, schema = None, None
        found = message(body, schema, entry.fault, way)
        if plain := way is None and bool(behaviour.says):
            said = behaviour.says[int(entry.messages, 16) % len(behaviour.says)]
            found["content"] = [{"type": "text", "text": said}]
        if entry.fault == "truncated_body":
            return await answers.truncated(request, json.dumps(found).encode())
        usable = (way is not None or plain) and (entry.fault is None or entry.fault in USABLE)
        return await self._finish(request, entry, _response(entry.fault, found), usable)


_TOLD: Mapping[str, tuple[int, str, str]] = {
    "overloaded": (529, "overloaded_error", "Overloaded"),
    "timeout_error": (504, "timeout_error", "Request timed out"),
    "unauthorized": (401, "authentication_error", "invalid x-api-key"),
    "forbidden": (403, "permission_error", "Your API key does not have permission to use it."),
    "billing": (402, "billing_error", "There is an issue with your payment information."),
    "no_credit": (
        400, "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    ),
    "spend_limit": (
        400, "invalid_request_error", "You have reached your specified API usage limits.",
    ),
    "monthly_limit": (429, "rate_limit_error", "enforced_spend_limit_reached"),
    "unknown_model": (404, "not_found_error", "model: nothing-4"),
    "wrong_path": (404, "not_found_error", "Not Found"),
    "bad_schema": (
        400, "invalid_request_error",
        "tools.0.custom.input_schema: JSON schema is invalid. It must match draft 2020-12.",
    ),
    "filtered": (400, "invalid_request_error", "Output blocked by content filtering policy"),
    "too_long": (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
}  # fmt: skip
"""Fault -> status, type and message of the error."""


def error(
    status: int, kind: str, said: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an error as the API writes it."""
    told: dict[str, Any] = {"type": kind, "message": said}
    if said == "enforced_spend_limit_reached":
        told |= {"message": "Your organization crossed its limit.", "details": {"error_code": said}}
    body = {"type": "error", "error": told, "request_id": "req_011"}
    return web.json_response(body, status=status, headers=headers)


def wrong(said: str) -> web.Response:
    """Return the refusal of a request."""
    return error(400, "invalid_request_error", said)


def invalid(body: Mapping[str, Any], behaviour: Behaviour) -> web.Response | None:
    """Return the refusal of a body that breaks the documentation; None for one that does not."""
    for name in body:
        if name not in PARAMETERS:
            return wrong(f"{name}: Extra inputs are not permitted")
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            return wrong(f"{name}: Field required")
    if not isinstance(body["max_tokens"], int) or body["max_tokens"] < 1:
        return wrong("max_tokens: Input should be greater than or equal to 1")
    temperature = body.get("temperature")
    if temperature is not None and not behaviour.takes_temperature:
        return wrong("`temperature` is deprecated for this model.")
    if temperature is not None and not 0 <= temperature <= 1:
        return wrong("temperature: range: 0..1")
    return _invalid_turns(body["messages"]) or _invalid_tool(body)


def _invalid_turns(turns: list[dict[str, Any]]) -> web.Response | None:
    if not turns:
        return wrong("messages: at least one message is required")
    for number, turn in enumerate(turns):
        if turn["role"] not in {"user", "assistant"}:
            return wrong(f'messages: Unexpected role "{turn["role"]}". Use the `system` parameter.')
        if not turn["content"].strip():
            return wrong(f"messages.{number}: user messages must have non-empty content")
    if turns[-1]["role"] != "user":
        return wrong("the conversation must end with a user message")
    return None


def _invalid_tool(body: Mapping[str, Any]) -> web.Response | None:
    tools = {tool["name"]: tool for tool in body.get("tools", ())}
    for tool in tools.values():
        if tool["input_schema"].get("type") != "object":
            return wrong("tools.0.custom.input_schema.type: Input should be 'object'")
    choice = body.get("tool_choice", {"type": "auto"})
    if choice["type"] == "tool" and choice["name"] not in tools:
        return wrong(f"tool_choice.name: no tool is called {choice['name']}")
    return None


def schema_asked(body: Mapping[str, Any]) -> tuple[replies.Way | None, Any]:
    """Return the way in which a body asks for structure, and the schema."""
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "tool":
        tool = next(each for each in body["tools"] if each["name"] == choice["name"])
        return "tool", tool["input_schema"]
    system = {"role": "system", "content": body.get("system", "")}
    schema = next(replies.schemas_in_words([system, *body["messages"]]), None)
    return ("words", schema) if schema is not None else (None, None)


def message(
    body: Mapping[str, Any], schema: Mapping[str, Any] | None, fault: str | None, way: str | None
) -> dict[str, Any]:
    """Return a message as the API gives it."""
    value = replies.value_for(body, schema)
    text = spoiled("prose" if way is None else fault or "", value)
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "What is asked?", "signature": "x"},
        {"type": "text", "text": text},
    ]
    stop = "end_turn"
    if way == "tool":
        tool = {"type": "tool_use", "id": "toolu_01", "name": body["tool_choice"]["name"]}
        blocks = [{"type": "text", "text": "Here it is."}, {**tool, "input": _input(fault, value)}]
        stop = "tool_use"
    tokens = len(text) // replies.CHARACTERS_PER_TOKEN + 1
    if fault in {"length", "hidden_thinking"}:
        stop, tokens = "max_tokens", replies.CUT or body["max_tokens"]
    if fault in {"refusal", "content_filter"}:
        stop, blocks = "refusal", []
    if fault == "null_content":
        blocks = []
    if fault == "hidden_thinking":
        blocks = [{"type": "thinking", "thinking": "What is asked?", "signature": "x"}]
    system = len(str(body.get("system", ""))) // replies.CHARACTERS_PER_TOKEN
    found = {
        "id": f"msg_{short(body)}", "type": "message", "role": "assistant",
        "model": f"{body['model']}-20260101", "content": blocks,
        "stop_reason": stop, "stop_sequence": None,
        "usage": {
            "input_tokens": replies.prompt_tokens(body), "output_tokens": tokens,
            "cache_read_input_tokens": system, "cache_creation_input_tokens": 3,
        },
    }  # fmt: skip
    if fault == "empty_choices":
        del found["content"]
    if fault == "no_usage":
        del found["usage"]
    return found


def _input(fault: str | None, value: Any) -> Any:
    """Return the tool's input; a server gives it as JSON already, so some faults cannot be."""
    if fault == "length":
        return dict(list(value.items())[:1])
    try:
        return json.loads(spoiled(fault or "", value))
    except (ValueError, RecursionError):
        return {"unasked": value}


def _response(fault: str | None, found: dict[str, Any]) -> web.Response:
    return answers.reply(None if fault == "stream" else fault, found)
