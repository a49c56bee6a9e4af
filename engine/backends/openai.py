"""The backends `openai` and `vllm`: models at any server with an OpenAI-compatible chat endpoint.

vLLM, SGLang, TGI, Ollama, llama.cpp's server, `transformers serve` and hosted services. Servers differ in how they
take a schema, and some ignore it without a word; with `structured: auto` one small call finds out before the
first request, and the way is written down with every reply.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from engine.backends.entry import Backend, Place, Settings
from engine.backends.http.body import Mode, Shape
from engine.backends.http.concurrency import Pace
from engine.backends.http.connection import Server
from engine.backends.http.probe import Probe, found_way
from engine.backends.http.response import Exchange
from engine.backends.protocol import Completion, Request, Reserve, always

if TYPE_CHECKING:
    from engine.backends.http.client import Dispatch

WAYS: dict[str, tuple[Mode, ...]] = {
    "openai": ("json_schema", "object_schema", "loose_schema", "json_object", "prompt"),
    "vllm": ("structured_outputs", "json_schema", "json_object", "prompt"),
}


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class ApiKey(_Part):
    """Where the key is; never the key itself."""

    env: str = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds it."""


class Price(_Part):
    """Money per million tokens, in a currency of your choice (the same for all models)."""

    prompt: float = Field(ge=0)
    """For prompt tokens."""
    completion: float = Field(ge=0)
    """For completion tokens, hidden reasoning among them."""
    cached: float | None = Field(default=None, ge=0)
    """For prompt tokens that the server had cached; as `prompt` when left out."""

    def of(self, got: Exchange) -> float | None:
        """Return what an answer cost, None where its tokens are not known."""
        if got.prompt_tokens is None or got.completion_tokens is None:
            return None
        cached = min(got.cached_tokens or 0, got.prompt_tokens)
        cached_price = self.prompt if self.cached is None else self.cached
        fresh = (got.prompt_tokens - cached) * self.prompt
        return (fresh + cached * cached_price + got.completion_tokens * self.completion) / 1e6


class ServerSettings(Settings):
    """Settings of a model behind an OpenAI-compatible server."""

    base_url: str
    """Up to where /chat/completions begins: `http://localhost:8000/v1`."""
    api_key: ApiKey | None = None
    """`{env: NAME}`: the environment variable that holds the key."""
    structured: Literal["auto", Mode] = "auto"
    """How the server is told the schema of a reply; `auto` finds out with one small call."""
    concurrency: int | None = Field(default=None, ge=1, le=4096)
    """Requests under way at once; found by trying when left out."""
    most: int = Field(default=256, ge=1, le=4096)
    """The largest number that is tried."""
    attempts: int = Field(default=5, ge=1, le=100)
    """How often a request is sent that meets faults of the server; waiting after 429 does not count."""
    corrections: int = Field(default=2, ge=0, le=10)
    """How often a reply that breaks its schema is sent back with what is wrong."""
    timeout_s: float = Field(default=120, gt=0)
    """Seconds that one answer may take."""
    patience_s: float = Field(default=600, ge=0)
    """Seconds that the server may stay away before the run ends."""
    context: int | None = Field(default=None, ge=16)
    """Tokens that the model takes, prompt and reply together: longer requests are not sent."""
    tokenizer: str | None = None
    """The model's tokenizer, to count for `context`: a folder, relative to the recipe, or a Hugging Face name.

    Without it four characters count as a token.
    """
    revision: str | None = None
    """What the model's name does not say (a date, a quantisation): part of what decides a reply."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further parameters of every request: `top_p`, `reasoning_effort`, …"""
    price: Price | None = None
    """Money per million tokens; without it the cost is unknown, which is not zero."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be an address like http://localhost:8000/v1")
        if parts.username or parts.password or parts.query:
            raise ValueError("must hold no key or password: use api_key: {env: NAME}")
        return url

    def cost(self, got: Exchange) -> float | None:
        """Return what an answer cost, None where the price or the tokens are not known."""
        return None if self.price is None else self.price.of(got)


class ServerModel:
    """One model at one server."""

    def __init__(self, place: Place, settings: ServerSettings, ways: tuple[Mode, ...]) -> None:
        """Take the model's name, the settings, and the ways of asking for structure, best first."""
        self._place, self._name, self._settings, self._ways = place, place.name, settings, ways
        self._shape: Shape | None = None
        self._pace = Pace(settings.most, settings.concurrency)

    def complete_many(
        self, requests: Iterable[Request], answered: Container[str], reserve: Reserve = always
    ) -> Iterator[list[Completion]]:
        """Yield completions as they come; see `Generator`."""
        from engine.backends.http.client import dispatched

        async def make(
            first: Request,
            missing: Iterator[Request],
        ) -> tuple[Dispatch, Callable[[], Awaitable[None]]]:
            return await self._opened(first, missing, reserve)

        yield from dispatched(make, requests, answered)

    async def _opened(
        self, first: Request, missing: Iterator[Request], reserve: Reserve
    ) -> tuple[Dispatch, Callable[[], Awaitable[None]]]:
        from engine.backends.http.client import Dispatch

        server = Server(self._place, self._settings)
        await server.open()
        try:
            # A student is asked for plain text, for which nothing must be found out.
            shape = Shape("prompt", self._name, self._settings.extra)
            probes: list[Probe] = []
            if first.schema is not None:
                shape = self._shape = self._shape or await self._found(server, probes)
            dispatch = Dispatch(server, shape, self._settings, self._pace, missing, reserve)
            await dispatch.start(first, probes)
        except BaseException:
            await server.close()
            raise

        async def close() -> None:
            await dispatch.close()
            await server.close()

        return dispatch, close

    async def _found(self, server: Server, probes: list[Probe]) -> Shape:
        """Return how this server is asked for structure."""
        settings = self._settings
        if settings.structured != "auto":
            return Shape(settings.structured, self._name, settings.extra)
        shapes = [Shape(mode, self._name, settings.extra) for mode in self._ways]
        return await found_way(server, shapes, settings.attempts, settings.patience_s, probes)


def server_backend(name: str, ways: tuple[Mode, ...]) -> Backend:
    """Return the entry of one kind of server."""

    def generator(place: Place, settings: Any) -> ServerModel:
        return ServerModel(place, settings, ways)

    return Backend(
        name=name,
        roles=("student", "teacher", "judge"),
        settings=ServerSettings,
        local=False,
        operational=frozenset(ServerSettings.model_fields) - {"revision", "extra"},
        generator=generator,
    )


BACKEND = server_backend("openai", WAYS["openai"])
