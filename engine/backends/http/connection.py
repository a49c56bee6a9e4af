"""One server: its address and key, the connection pool, and what its errors mean for the user."""

from __future__ import annotations

import base64
import os
import re
import zlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.backends.entry import ModelRef
from engine.backends.http.exchange import Exchange, Kind
from engine.backends.http.lengths.limits import estimated
from engine.backends.http.protocol import ChatProtocol
from engine.backends.http.settings import ServerSettings
from engine.backends.local.chat import encode_prompt
from engine.backends.protocol import Message
from engine.backends.replies import does_not_fit
from engine.errors import BackendError, boundary
from engine.gate import has_consent, passed_folder, refusal
from engine.servers import Proxy, key_use, proxy_to

if TYPE_CHECKING:
    import aiohttp

LARGEST = 4 * 1024 * 1024
"""Bytes of an answer that are read, decompressed; a longer one is cut off, and no reply."""
_TOO_LARGE = (
    f"the answer has more than {LARGEST:,} bytes (4 MiB), decompressed: no reply is that long, so it was not read on; "
    "look at what the server sends, or lower `max_tokens`"
)
_ZLIB = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""How an answer may be compressed, and what zlib calls it."""
_MOST_PARTS = 1000
"""Of an answer that is compressed part by part, as some servers do with each 64 KB."""
CONNECT_SECONDS = 10.0
_HIDDEN = "[key]"
_OK = 200
_REFUSED_BY_PROXY = frozenset({401, 403, 405, 407})


class Connection:
    """A connection to one server; open it inside the loop that uses it."""

    def __init__(self, ref: ModelRef, settings: ServerSettings, protocol: ChatProtocol) -> None:
        """Take the model, the settings and what the server speaks.

        Raises:
            BackendError: a key that is not set, or may not be sent there, or a proxy that cannot be used.
        """
        self._model, self._folder = ref.name, ref.path
        self._settings, self._protocol = settings, protocol
        self._key = _key(settings, ref.path)
        self._proxy = _proxy(settings)
        self._session: aiohttp.ClientSession | None = None
        self._url = settings.base_url.rstrip("/") + protocol.path

    async def open(self) -> None:
        """Make the connection pool; nothing is sent yet."""
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(
                total=self._settings.timeout_s, sock_connect=CONNECT_SECONDS
            ),
            headers={
                "Content-Type": "application/json",
                "Accept-Encoding": "gzip, deflate",
                **self._protocol.headers(self._key),
            },
            # The library would decompress whatever comes, before anybody can count it.
            auto_decompress=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, body: bytes) -> Exchange:
        """Send one request and return what came, whatever it is."""
        import aiohttp

        assert self._session is not None
        try:
            # A redirect could send prompts and key to a host that the recipe does not name.
            async with self._session.post(
                self._url, data=body, allow_redirects=False, **self._by_proxy
            ) as response:
                content, is_whole = await _content(response)
                # What a refusal means stands at its beginning.
                if not is_whole and response.status == _OK:
                    return Exchange("too_large", status=response.status, detail=_TOO_LARGE)
                return self._without_key(
                    self._protocol.read(response.status, response.headers, content)
                )
        except TimeoutError:
            return Exchange("timeout", detail=f"no whole answer in {self._settings.timeout_s:g} s")
        except aiohttp.ClientHttpProxyError as error:
            kind: Kind = "proxy" if error.status in _REFUSED_BY_PROXY else "connection"
            return Exchange(kind, status=error.status, detail=error.message[:300])
        except (aiohttp.ClientPayloadError, zlib.error, EOFError) as error:
            return Exchange("truncated_body", detail=str(error)[:300])
        except _UnknownEncodingError as error:
            return Exchange("bad_body", detail=str(error))
        except (aiohttp.ClientError, OSError) as error:
            return Exchange("connection", detail=f"{type(error).__name__}: {error}"[:300])

    @cached_property
    def _by_proxy(self) -> dict[str, Any]:
        """What aiohttp is told of the proxy; its own reading of the environment would take passwords from ~/.netrc."""
        proxy = self._proxy
        if proxy is None:
            return {}
        login = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        headers = {"Proxy-Authorization": f"Basic {login}"} if proxy.user else {}
        # What a tunnel through the proxy carries is for the server alone.
        tunnelled = self._url.startswith("https:")
        return {"proxy": proxy.url, "proxy_headers" if tunnelled else "headers": headers}

    def _without_key(self, exchange: Exchange) -> Exchange:
        """Take the key out of what a server says: some repeat it in their errors."""
        key = self._key
        shown = {name: getattr(exchange, name) for name in ("detail", "text", "turn")}
        if not key or not any(key in text for text in shown.values()):
            return exchange
        return exchange._replace(
            **{name: text.replace(key, _HIDDEN) for name, text in shown.items()}
        )

    def too_long(self, turns: Sequence[Message], max_tokens: int) -> str:
        """Return why a prompt leaves no reply room in the declared context; empty where it does, or none is declared.

        Raises:
            BackendError: the tokenizer to count with cannot be loaded.
        """
        context, name = self._settings.context, self._settings.tokenizer
        if context is None:
            return ""
        tokens = prompt_tokens(turns, name, self._folder)
        return does_not_fit(tokens, max_tokens, context, "" if name else "about ")

    def error(
        self, exchange: Exchange, waited: float | None = None, more: float | None = None
    ) -> BackendError:
        """Return the error to stop with, saying what to do.

        Args:
            exchange: What the server said last.
            waited: Seconds of waiting, where patience is at its end.
            more: Seconds that would have had to be waited next.
        """
        what, hint = _MEANINGS.get(exchange.kind, _OTHER)
        settings = self._settings
        host = urlsplit(settings.base_url).netloc.rpartition("@")[2]
        status = f"{exchange.status}: " if exchange.status else ""
        patience = ""
        if waited is not None:
            next_wait = "" if more is None else f" and {more:,.1f} s still to wait"
            patience = (
                f"; {waited:,.1f} s waited{next_wait}, `patience_s` is {settings.patience_s:g}"
            )
        key = settings.api_key.env if settings.api_key else "api_key"
        proxy = self._proxy
        way = "" if proxy is None else f", by the proxy {proxy.host} ({proxy.variable})"
        return BackendError(
            f"{host}, model '{self._model}'{way}: {what} ({status}{exchange.detail}){patience}",
            hint.format(
                key=key,
                path=self._protocol.path,
                base=self._protocol.base,
                proxy=proxy.variable if proxy else "http_proxy",
            ),
        )


_MEANINGS: dict[Kind, tuple[str, str]] = {
    "auth": (
        "the server refuses the key",
        "check the variable that `api_key: {{env: …}}` names (here: {key}) and what the key may be used for",
    ),
    "proxy": (
        "the proxy does not let the request pass",
        "write user and password into {proxy} (http://user:password@host:port), or list the server in NO_PROXY",
    ),
    "unknown_model": (
        "the server does not know this model",
        "ask it which ones it has, usually at GET …/v1/models, and write that name as `model`",
    ),
    "bad_address": (
        "there is no chat endpoint at this address",
        "`base_url` ends where {path} begins, {base}",
    ),
    "quota": (
        "the account has no credit left",
        "add credit, or use another key; what was answered is kept",
    ),
    "rate_limit": (
        "the server keeps asking to come back later",
        "lower `concurrency`, raise `patience_s`, or run again later to go on; what was answered is kept",
    ),
    "schema_refused": (
        "the server refuses the schema of the reply",
        "let the engine find a way it takes: `structured: auto`, or name one (docs/backends.md)",
    ),
    "connection": (
        "the server cannot be reached",
        "start it, or check `base_url`; run the same command again to go on, what was answered is kept",
    ),
    "timeout": (
        "the server does not answer in time",
        "raise `timeout_s`, or lower `concurrency`; run again to go on, what was answered is kept",
    ),
    "server_error": (
        "the server keeps failing",
        "look at its log; run the same command again to go on, what was answered is kept",
    ),
}
_OTHER = ("the server refuses the request", "see what it says; `pada calls` shows the calls so far")


_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


@lru_cache(maxsize=4)
def load_tokenizer(name: str, folder: Path | None) -> Any:
    """Return the tokenizer in a folder (relative to `folder`), or of that Hugging Face name; raises BackendError."""
    near = (folder or Path()) / name
    place: Path | str = name
    if near.exists() or not _HUB_NAME.fullmatch(name):
        place = passed_folder(near, folder, BackendError)
    elif Path(name).exists():
        # The library would take what is in the working directory for the name on the Hub.
        raise BackendError(
            f"the tokenizer '{name}' is not beside the recipe, and the working directory has something of that name",
            "run from another folder, or write the path of the tokenizer's folder",
        )
    from transformers import AutoTokenizer

    hint = (
        "name a folder with the model's tokenizer.json, or leave `tokenizer` out: then four characters "
        "count as a token"
    )
    with boundary(
        lambda reason: BackendError(f"the tokenizer '{name}' cannot be loaded: {reason}", hint)
    ):
        return AutoTokenizer.from_pretrained(place, trust_remote_code=False)


def prompt_tokens(turns: Sequence[Message], tokenizer: str | None, folder: Path | None) -> int:
    """Return how many tokens a prompt has: as the tokenizer counts, or about, where none is named.

    Raises:
        BackendError: the tokenizer cannot be loaded.
    """
    if tokenizer is None:
        return estimated(turns)
    return len(encode_prompt(load_tokenizer(tokenizer, folder), turns))


class _UnknownEncodingError(Exception):
    """A server compresses an answer in a way that it was not asked for."""


class _Unpacker:
    """Decompresses the body of an answer piece by piece, and never to more than it is told."""

    def __init__(self, encoding: str) -> None:
        self._bits = _ZLIB.get(encoding, 0)
        if encoding not in ("", "identity") and not self._bits:
            raise _UnknownEncodingError(
                f"the answer is compressed as {encoding[:40]!a}, and gzip or deflate was asked for"
            )
        self._inflate: zlib._Decompress | None = None
        self._parts = 0

    def unpack(self, data: bytes, most: int) -> bytes:
        """Return what a piece holds, `most` bytes of it at most; raises zlib.error."""
        if not self._bits:
            return data
        unpacked = b""
        while data and len(unpacked) < most:
            if self._inflate is None:
                # Some servers leave out the header that `deflate` has.
                bare = self._bits == zlib.MAX_WBITS and data[0] & 0x0F != zlib.DEFLATED
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS if bare else self._bits)
            unpacked += self._inflate.decompress(data, most - len(unpacked))
            data = b""
            if self._inflate.eof:
                # Of gzip, another part may follow.
                data = self._inflate.unused_data if self._bits > zlib.MAX_WBITS else b""
                self._parts += 1
                if self._parts > _MOST_PARTS:
                    raise zlib.error(f"the answer is compressed in more than {_MOST_PARTS:,} parts")
                self._inflate = zlib.decompressobj(self._bits) if data else self._inflate
        return unpacked

    def end(self) -> None:
        """Require that all of it came; raises EOFError."""
        if self._inflate is not None and not self._inflate.eof:
            raise EOFError("the compressed answer ends early")


async def _content(response: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    """Return the body, decompressed, and whether that is all of it: it is cut where no reply is longer.

    Raises:
        _UnknownEncodingError, zlib.error, EOFError: it cannot be decompressed.
    """
    unpacker = _Unpacker(response.headers.get("Content-Encoding", "").strip().lower())
    parts, size, sent = [], 0, 0
    async for part in response.content.iter_any():
        content = unpacker.unpack(part, LARGEST + 1 - size)
        parts.append(content)
        size, sent = size + len(content), sent + len(part)
        # What is compressed may also be endless and say nothing.
        if size > LARGEST or sent > LARGEST:
            response.close()
            return b"".join(parts)[:LARGEST], False
    unpacker.end()
    return b"".join(parts), True


def _key(settings: ServerSettings, base: Path | None) -> str:
    """Return the API key from the environment, empty where none is named.

    Whoever sends asks the user before; here nothing is sent that nobody asked for.

    Raises:
        BackendError: it is not set, or nobody consented to its being sent there for the recipe in `base`.
    """
    if settings.api_key is None:
        return ""
    key = os.environ.get(settings.api_key.env, "").strip()
    if not key:
        raise BackendError(
            f"the environment variable {settings.api_key.env} (the API key of {settings.base_url}) is not set",
            f"export {settings.api_key.env}=… before the run; keys are never written into recipes",
        )
    use = key_use(settings.api_key.env, settings.base_url)
    if use is not None and not has_consent(use, base):
        raise BackendError(*refusal([use], base or Path("RECIPE")))
    return key


def _proxy(settings: ServerSettings) -> Proxy | None:
    """Return the proxy on the way to the server; raises BackendError for one that speaks another protocol."""
    proxy = proxy_to(settings.base_url)
    if proxy is not None and not proxy.spoken:
        raise BackendError(
            f"{proxy.variable} names a proxy that is not spoken to by HTTP: {proxy.url}",
            f"name an HTTP proxy, or list {urlsplit(settings.base_url).hostname} in NO_PROXY to reach it directly",
        )
    return proxy
