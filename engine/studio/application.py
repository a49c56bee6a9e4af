"""The studio's server: the built page, and under `/api` one typed function for each thing that it shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import EngineError, InternalError
from engine.store import Stop
from engine.studio.answers import encoded
from engine.studio.asked import Asked
from engine.studio.assets import assets
from engine.studio.guard import Guard, Pass
from engine.studio.settings import Settings
from engine.studio.threads import AT_MOST, in_thread
from engine.studio.uploads import received

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

LARGEST_BODY = 4_000_000
"""Bytes of a question's body: as JSON, a recipe of the largest size is longer than its file."""
BODY_WITHIN = 30.0
"""Seconds that a body may take to arrive."""
Told = Callable[[Exception], None]


class NotTakenError(EngineError):
    """A body that is not read to its end."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that a page is handed, in place of JSON."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """One question that pages may ask, and the function that answers it."""

    method: str
    path: str
    """Below `/api`, with the names of words in braces."""
    answer: Callable[[Settings, Asked, Stop], Any]
    writes: bool = False
    """Whether it changes anything: refused with `--read-only`."""
    uploads: bool = False
    """Whether its body is a file (`Asked.file`), and no JSON."""
    seconds: float = AT_MOST
    """How long it may take at most."""


def make(settings: Settings, ticket: Pass, routes: tuple[Route, ...], told: Told) -> ASGIApp:
    """Return the server's application.

    Args:
        settings: What is shown.
        ticket: What lets a browser in.
        routes: What pages may ask.
        told: Is told of what nobody foresaw; the page learns only that something went wrong.
    """
    from starlette.applications import Starlette
    from starlette.routing import Route as Web

    answered = [
        Web(f"/api{route.path}", _endpoint(settings, route, told), methods=[route.method])
        for route in routes
    ]
    pages = [Web(path, _asset(path), methods=["GET"]) for path in ("/", *assets())]
    app = Starlette(routes=[*answered, *pages], exception_handlers={404: _lost, 405: _lost})
    return Guard(app, ticket)


def _endpoint(settings: Settings, route: Route, told: Told) -> Callable[[Request], Any]:
    from starlette.requests import ClientDisconnect

    async def endpoint(request: Request) -> Response:
        try:
            if route.writes and settings.read_only:
                raise EngineError(
                    "this studio is for looking only",
                    "start it without --read-only to change things",
                )
            async with _sent(request, settings, route) as asked:
                found = await in_thread(
                    request, lambda stop: route.answer(settings, asked, stop), route.seconds
                )
        except InternalError as error:
            return _bug(error, told)
        except NotTakenError as error:
            # What is left of it is not read as another request.
            return _json({"error": error.message, "hint": error.hint}, 400, {"connection": "close"})
        except ClientDisconnect:
            return _json({"error": "the page was left"}, 400)
        except EngineError as error:
            return _json({"error": error.message, "hint": error.hint}, 400)
        except Exception as error:
            return _bug(error, told)
        return _file(found) if isinstance(found, Download) else _json(found)

    return endpoint


@asynccontextmanager
async def _sent(request: Request, settings: Settings, route: Route) -> AsyncIterator[Asked]:
    """Yield what a page sends; a file of it is gone afterwards, unless somebody moved it."""
    if not route.uploads:
        yield Asked(request.path_params, request.query_params, await _body(request))
        return
    async with received(request, settings.state) as file:
        yield Asked(request.path_params, request.query_params, file=file)


async def _body(request: Request) -> Mapping[str, Any]:
    """Return the JSON object that a request carries; empty for none. Raises EngineError for anything else."""
    raw = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > LARGEST_BODY:
                    raise NotTakenError(f"more than {LARGEST_BODY:,} bytes were sent", "send less")
    except TimeoutError:
        raise NotTakenError(
            f"what was sent did not arrive within {BODY_WITHIN:.0f} seconds"
        ) from None
    if not raw:
        return {}
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise EngineError("what was sent is not a JSON object")
    return value


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(encoded(value), status, headers, media_type="application/json")


def _file(found: Download) -> Response:
    from starlette.responses import Response

    disposition = {"content-disposition": f'attachment; filename="{found.name}"'}
    return Response(found.content, headers=disposition, media_type=found.media_type)


def _bug(error: Exception, told: Told) -> Response:
    told(error)
    hint = "the terminal in which `pada studio` runs says more; nothing was changed"
    return _json(
        {"error": "internal error: this is a mistake of PaDA Engine, not yours", "hint": hint}, 500
    )


def _asset(path: str) -> Callable[[Request], Any]:
    content, kind = assets()["/index.html" if path == "/" else path]

    async def endpoint(_: Request) -> Response:
        from starlette.responses import Response

        return Response(content, media_type=kind)

    return endpoint


async def _lost(_: Request, __: Exception) -> Response:
    return _json({"error": "there is no such page", "hint": "go back to the list of runs"}, 404)
