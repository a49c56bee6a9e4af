"""One server: its address and key, the connection pool, and what its errors mean for the user."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from engine.backends.entry import Place
from engine.backends.http.response import Exchange, read_answer
from engine.backends.protocol import Message
from engine.backends.training.batches import encode_prompt
from engine.errors import BackendError

if TYPE_CHECKING:
    import aiohttp

    from engine.backends.openai import ServerSettings

LARGEST = 4 * 1024 * 1024
"""Bytes of an answer that are read; a longer one is cut off and counts as a fault."""
CONNECT_SECONDS = 10.0
CHARACTERS_PER_TOKEN = 4.0
_HIDDEN = "[key]"


class Server:
    """A connection to one server; open it inside the loop that uses it."""

    def __init__(self, place: Place, settings: ServerSettings) -> None:
        """Take the model and the settings; raises BackendError for a key that is not set."""
        self._model, self._settings, self._folder = place.name, settings, place.path
        self._key = key_of(settings)
        self._session: aiohttp.ClientSession | None = None
        self._url = settings.base_url.rstrip("/") + "/chat/completions"
        self.host = urlsplit(settings.base_url).netloc.rpartition("@")[2]

    async def open(self) -> None:
        """Make the connection pool; nothing is sent yet."""
        import aiohttp

        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(
                total=self._settings.timeout_s, sock_connect=CONNECT_SECONDS
            ),
            headers=headers,
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
            async with self._session.post(self._url, data=body, allow_redirects=False) as response:
                content = await _read(response)
                if content is None:
                    return Exchange(
                        "too_large", status=response.status, detail=f"more than {LARGEST:,} bytes"
                    )
                return self._clean(read_answer(response.status, response.headers, content))
        except TimeoutError:
            return Exchange("timeout", detail=f"no whole answer in {self._settings.timeout_s:g} s")
        except aiohttp.ClientPayloadError as error:
            return Exchange("truncated_body", detail=str(error)[:300])
        except (aiohttp.ClientError, OSError) as error:
            return Exchange("connection", detail=f"{type(error).__name__}: {error}"[:300])

    def _clean(self, got: Exchange) -> Exchange:
        """Take the key out of what a server says: some repeat it in their errors."""
        if not self._key or (self._key not in got.detail and self._key not in got.text):
            return got
        return got._replace(
            detail=got.detail.replace(self._key, _HIDDEN), text=got.text.replace(self._key, _HIDDEN)
        )

    def too_long(self, turns: Sequence[Message], max_tokens: int) -> str:
        """Return why a request does not fit into the declared context; empty where it does, or none is declared.

        Raises:
            BackendError: the tokenizer to count with cannot be loaded.
        """
        context, name = self._settings.context, self._settings.tokenizer
        if context is None:
            return ""
        about = ""
        if name is not None:
            tokens = len(encode_prompt(load_tokenizer(name, self._folder), turns))
        else:
            about = "about "
            tokens = int(sum(len(turn.content) for turn in turns) / CHARACTERS_PER_TOKEN)
        if tokens + max_tokens <= context:
            return ""
        return (
            f"{about}{tokens:,} tokens of prompt and {max_tokens:,} for the reply do not fit into the declared "
            f"context of {context:,}: shorten the prompt or the row, or raise `context` if the model takes more"
        )

    def error(self, got: Exchange) -> BackendError:
        """Return the error to stop with, saying what to do."""
        what, hint = _MEANINGS.get(got.kind, _OTHER)
        where = f"{self.host}, model '{self._model}'"
        said = f" ({got.status}: {got.detail})" if got.status else f" ({got.detail})"
        return BackendError(f"{where}: {what}{said}", hint.format(key=self._key_name()))

    def _key_name(self) -> str:
        return self._settings.api_key.env if self._settings.api_key else "api_key"


_MEANINGS = {
    "auth": (
        "the server refuses the key",
        "check the variable that `api_key: {{env: …}}` names (here: {key}) and what the key may be used for",
    ),
    "unknown_model": (
        "the server does not know this model",
        "ask it which ones it has (GET base_url/models) and write that name as `model`",
    ),
    "bad_address": (
        "there is no chat endpoint at this address",
        "`base_url` ends where /chat/completions begins, usually in /v1",
    ),
    "quota": (
        "the account has no credit left",
        "add credit, or use another key; what was answered is kept",
    ),
    "rate_limit": (
        "the server asks to come back much later",
        "wait as long as it says, or raise `patience_s`; run again to go on, what was answered is kept",
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


@lru_cache(maxsize=4)
def load_tokenizer(name: str, folder: Path | None) -> Any:
    """Return the tokenizer in a folder (relative to `folder`), or of that Hugging Face name; raises BackendError."""
    from transformers import AutoTokenizer

    near = (folder or Path()) / name
    try:
        return AutoTokenizer.from_pretrained(near if near.is_dir() else name)
    except (OSError, ValueError, KeyError) as problem:
        said = str(problem).strip().splitlines()[0]
        raise BackendError(
            f"the tokenizer '{name}' cannot be loaded: {said}",
            "name a folder with the model's tokenizer.json, or leave `tokenizer` out: then four characters "
            "count as a token",
        ) from problem


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, None when it is larger than any reply may be."""
    length = response.content_length
    if length is not None and length <= LARGEST:
        return await response.read()
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            response.close()
            return None
    return b"".join(parts)


def key_of(settings: ServerSettings) -> str:
    """Return the API key from the environment, empty where none is named; raises BackendError if it is not set."""
    if settings.api_key is None:
        return ""
    key = os.environ.get(settings.api_key.env, "").strip()
    if not key:
        raise BackendError(
            f"the environment variable {settings.api_key.env} (the API key of {settings.base_url}) is not set",
            f"export {settings.api_key.env}=… before the run; keys are never written into recipes",
        )
    return key
