"""The endpoint's HTTP responses: replies in their shapes, and what servers say instead of one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web

from tests.servers import replies
from tests.servers.log import Asked

_STATUS = {"error_500": 500, "error_502": 502, "error_503": 503}


def dropped(request: web.Request) -> web.Response:
    """Hang up without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def truncated(request: web.Request, whole: bytes) -> web.StreamResponse:
    """Promise the whole body, send half of it, and hang up."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(whole)
    await response.prepare(request)
    await response.write(whole[: len(whole) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


def reply(fault: str | None, found: dict[str, Any]) -> web.Response:
    """Return a completion as the fault has it."""
    match fault:
        case "stream":
            return web.Response(body=replies.stream_of(found), content_type="text/event-stream")
        case "not_json":
            return web.Response(
                text="<html><body>Welcome to nginx!</body></html>", content_type="text/html"
            )
        case "empty_body":
            return web.Response(content_type="application/json")
        case "not_an_object":
            return web.json_response(["what is this"])
        case "half_character":
            # Half of a surrogate pair in the envelope itself: strict readers refuse all of it.
            text = json.dumps(found).replace('"content": "', '"content": "\\ud83d', 1)
            return web.Response(text=text, content_type="application/json")
    return web.json_response(found)


def refusals(entry: Asked, retry_after: float) -> web.Response | None:
    """Return the answer to a fault that is told by an HTTP status."""
    match entry.fault:
        case "rate_limit" | "rate_limit_after" | "rate_limit_date":
            return rate_limited(entry.fault, retry_after)
        case "error_500" | "error_502" | "error_503":
            return _broken(_STATUS[entry.fault], entry.headers)
        case "leaks_key":
            # A page in which the key stands where readers of error pages stop reading.
            return web.Response(status=500, text="x" * 485 + entry.headers.get("authorization", ""))
        case "unauthorized":
            return unauthorized(entry.headers.get("authorization", ""))
        case "forbidden":
            said = "Your project has no access to this model."
            return _error(403, said, "invalid_request_error", "forbidden")
        case "unknown_model":
            return unknown_model(entry.body.get("model"))
        case "wrong_path":
            return wrong_path()
        case "bad_schema":
            return unknown_way("json_schema")
        case "too_long":
            return too_long(512, replies.prompt_tokens(entry.body))
    return _of_the_row(entry.fault)


def _of_the_row(fault: str | None) -> web.Response | None:
    """Refuse a row for what it says."""
    if fault == "filtered":
        said = "The response was filtered due to the prompt triggering the content policy."
        return _error(400, said, "", "content_filter", param="prompt")
    if fault == "odd_refusal":
        return web.json_response({"error": "I do not like this one."}, status=400)
    return None


def rate_limited(fault: str, retry_after: float) -> web.Response:
    """Say that the client must wait, and for how long where the fault says so."""
    headers = {}
    if fault == "rate_limit_after":
        headers = {"Retry-After": f"{retry_after:g}"}
    elif fault == "rate_limit_date":
        headers = {"Retry-After": formatdate(time.time() + retry_after + 1, usegmt=True)}
    return _error(429, "Rate limit reached.", "requests", "rate_limit_exceeded", headers)


def _broken(status: int, headers: Mapping[str, str]) -> web.Response:
    """Some servers' error pages show the request's headers, the key among them."""
    if status == 502:
        return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
    return _error(status, f"Internal error. Request headers: {dict(headers)}", "server_error", None)


def unauthorized(given: str) -> web.Response:
    """Say what was wrong as hosted servers do: with the key in it."""
    said = f"Incorrect API key provided: {given}."
    return _error(401, said, "invalid_request_error", "invalid_api_key")


def unknown_model(name: object) -> web.Response:
    """Say that there is no such model."""
    said = f"The model `{name}` does not exist."
    return _error(404, said, "invalid_request_error", "model_not_found")


def wrong_path() -> web.Response:
    """Say what web frameworks say of a path they do not have."""
    return web.json_response({"detail": "Not Found"}, status=404)


def unknown_way(way: str) -> web.Response:
    """Refuse a way of asking for structure."""
    name = {"json_schema": "response_format", "json_object": "response_format"}.get(way, way)
    said = f"Invalid value for '{name}': '{way}' is not supported by this model."
    return _error(400, said, "invalid_request_error", None)


def unsupported(name: str) -> web.Response:
    """Refuse a parameter, or a role, as OpenAI's models do."""
    if name == "system":
        said = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
        return _error(
            400, said, "invalid_request_error", "unsupported_value", param="messages[0].role"
        )
    newer = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
    said = f"Unsupported parameter: '{name}' is not supported with this model.{newer}"
    return _error(400, said, "invalid_request_error", "unsupported_parameter", param=name)


def refuses_bounds() -> web.Response:
    """Refuse a schema for its bounds, as some hosted models do."""
    said = "Invalid schema for response_format 'default': In context=('properties', 'x'), 'maxLength' is not permitted."
    return _error(400, said, "invalid_request_error", None, param="response_format")


def refuses_values(most: int) -> web.Response:
    """Refuse a schema for the values of an enumeration."""
    said = f"Invalid schema for response_format 'default': Expected at most {most} enum values."
    return _error(400, said, "invalid_request_error", None, param="response_format")


def too_long(context: int, length: int) -> web.Response:
    """Refuse a prompt for its length, both in tokens."""
    said = f"This model's maximum context length is {context} tokens. However, your messages are {length} tokens."
    return _error(400, said, "invalid_request_error", "context_length_exceeded")


def _error(
    status: int,
    said: str,
    kind: str,
    code: str | None,
    headers: Mapping[str, str] | None = None,
    param: str | None = None,
) -> web.Response:
    told = replies.error(said, kind, code, param)
    return web.json_response(told, status=status, headers=headers)
