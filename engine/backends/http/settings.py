"""Settings of a model behind a server, whatever protocol it speaks; a protocol's own settings extend them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from engine.backends.entry import Settings
from engine.backends.protocol import Usage
from engine.bounds import Count
from engine.servers import KeyName, ServerUrl


class Price(BaseModel):
    """Money per million tokens, in a currency of your choice (the same for all models)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompt: float = Field(ge=0)
    """Price of a million prompt tokens."""
    completion: float = Field(ge=0)
    """Price of a million completion tokens, hidden reasoning among them."""
    cached: float | None = Field(default=None, ge=0)
    """Price of a million prompt tokens that the server had cached; as `prompt` when left out."""

    def of(self, usage: Usage) -> float | None:
        """Return what a reply cost, None where its tokens are not known."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        cached_price = self.prompt if self.cached is None else self.cached
        fresh = (usage.prompt_tokens - cached) * self.prompt
        return (fresh + cached * cached_price + usage.completion_tokens * self.completion) / 1e6


class ServerSettings(Settings):
    """Settings of a model behind a server."""

    base_url: ServerUrl
    """Address of the server."""
    api_key: KeyName | None = None
    """`{env: NAME}`: the environment variable that holds the key."""
    structured: str = "auto"
    """How the server is told the schema of a reply; `auto` finds out with one small call."""
    concurrency: int | None = Field(default=None, ge=1, le=4096)
    """Requests in flight at once; found by trying when left out."""
    most: int = Field(default=256, ge=1, le=4096)
    """Most requests in flight that are tried, where `concurrency` is left out."""
    attempts: int = Field(default=5, ge=1, le=100)
    """How often a request is sent that meets faults of the server; waiting after 429 does not count."""
    corrections: int = Field(default=2, ge=0, le=10)
    """How often a reply that breaks its schema is sent back with what is wrong."""
    timeout_s: float = Field(default=120, gt=0)
    """Seconds that one answer may take."""
    patience_s: float = Field(default=600, ge=0)
    """Seconds that a request may wait for its server, all waits together: `Retry-After`, back-off, an outage."""
    context: Count | None = Field(default=None, ge=16)
    """Tokens that the model takes, prompt and reply together: a reply is asked for no more than its prompt leaves."""
    max_reply: Count | None = Field(default=None, ge=256)
    """Most tokens that a reply is asked for; learned from the server's refusal when left out."""
    tokenizer: str | None = None
    """The model's tokenizer, to count for `context`: a folder, relative to the recipe, or a Hugging Face name.

    Without it four characters count as a token.
    """
    revision: str | None = None
    """What the model's name does not say (a date, a quantisation): part of what decides a reply."""
    extra: dict[str, Any] = Field(default_factory=dict)
    """Further parameters of every request: `top_p`, `reasoning_effort`, …; one that is null is not sent at all."""
    price: Price | None = None
    """Money per million tokens; without it the cost is unknown, which is not zero."""

    def quirks(self) -> frozenset[str]:
        """Return the names of quirks that the settings tell of the server."""
        return frozenset()

    def cost(self, usage: Usage) -> float | None:
        """Return what a reply cost, None where the price or the tokens are not known."""
        return None if self.price is None else self.price.of(usage)
