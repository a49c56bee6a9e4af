"""Who may ask: this machine's own browser, by the token that `pada studio` printed; and what each answer allows.

Pages of other sites can make a browser send requests here, also under a name of their own that leads to this machine
(DNS rebinding). So each request must name this server in `Host`, and in `Origin` where a browser says one.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from engine.errors import EngineError
from engine.studio.answers import encoded

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
OPEN_HINT = (
    "open the address that `pada studio` printed when it started: it has the key to this page"
)


@dataclass(frozen=True, slots=True)
class Pass:
    """What lets a browser in: a token in the address, once, and a cookie from then on."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    """The cookie's value."""

    @property
    def hosts(self) -> frozenset[str]:
        """How this server may be called."""
        return frozenset({f"127.0.0.1:{self.port}", f"localhost:{self.port}"})

    @property
    def cookie(self) -> str:
        """The cookie's name: cookies know no ports, and several studios may run."""
        return f"pada-studio-{self.port}"


class Guard:
    """Lets through what comes from this machine's own browser, and says of every answer what it may do there."""

    def __init__(self, app: ASGIApp, ticket: Pass) -> None:
        self.app, self.ticket = app, ticket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it; what is no HTTP is not spoken."""
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if refusal := self._refusal(scope, headers):
            status, error = refusal
            await _refuse(status, error, send)
            return
        is_new = scope["path"] == "/" and self._has_token(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [
                    (name, value)
                    for name, value in message["headers"]
                    if name.decode() not in HEADERS
                ]
                message["headers"] = [*given, *_raw(HEADERS)]
                if is_new:
                    message["headers"].append((b"set-cookie", self._cookie().encode()))
            await send(message)

        await self.app(scope, receive, with_headers)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, EngineError] | None:
        """Return why a request is refused; None where it is not."""
        if "transfer-encoding" in headers and "content-length" in headers:
            # Two lengths: what one reads as the end of it, another reads as the next request.
            return 400, EngineError("a request says its length in two ways")
        hosts = [v.decode("latin-1") for n, v in scope["headers"] if n == b"host"]
        if len(hosts) != 1 or hosts[0].lower() not in self.ticket.hosts:
            return 403, EngineError("this server answers to its own address alone", OPEN_HINT)
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{hosts[0].lower()}":
            return 403, EngineError("pages of other sites may not ask this server", OPEN_HINT)
        if scope["method"] not in ("GET", "HEAD") and origin is None:
            return 403, EngineError("only the studio's own page may ask this", OPEN_HINT)
        if not scope["path"].startswith("/api/"):
            # The page itself holds nothing of anybody; all that it shows it asks for.
            return None
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, EngineError("pages of other sites may not ask this server", OPEN_HINT)
        if not self._has_cookie(headers.get("cookie", "")):
            return 401, EngineError("this browser has not been let in", OPEN_HINT)
        return None

    def _has_token(self, scope: Scope) -> bool:
        query = scope["query_string"].decode("latin-1")
        given = [value for name, value in parse_qsl(query) if name == "token"]
        return len(given) == 1 and _same(given[0], self.ticket.token)

    def _has_cookie(self, header: str) -> bool:
        pairs = (part.strip().partition("=") for part in header.split(";"))
        values = [value for name, _, value in pairs if name == self.ticket.cookie]
        return any(_same(value, self.ticket.session) for value in values)

    def _cookie(self) -> str:
        name, value = self.ticket.cookie, self.ticket.session
        return f"{name}={value}; Path=/; HttpOnly; SameSite=Strict"


def _same(given: str, own: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), own.encode())


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _refuse(status: int, error: EngineError, send: Send) -> None:
    body = encoded({"error": error.message, "hint": error.hint})
    # Nothing further is read from whoever is refused.
    headers = {
        **HEADERS, "content-type": "application/json", "content-length": str(len(body)), "connection": "close"
    }  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": _raw(headers)})
    await send({"type": "http.response.body", "body": body})
