"""The ledger's record: one call of a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from engine.rows.row import Row


@dataclass(frozen=True, slots=True)
class Call(Row):
    """One entry of the ledger: what was asked of a teacher, a judge or a student at a server, and what came back."""

    table: ClassVar[str] = "llm_call"
    id: str
    """The request's hash; entries may share it when earlier replies were unusable."""
    run: str
    node: str
    """Fingerprint of the node that first asked."""
    role: str
    model: str
    messages: Sequence[Mapping[str, str]]
    """Chat turns with `role` and `content`."""
    schema: Mapping[str, Any] | None
    """JSON Schema of the reply, as sent; None where plain text was asked for."""
    max_tokens: int
    temperature: float
    attempt: int
    reply: str
    """Raw text."""
    finish_reason: str
    prompt_tokens: int | None
    """None where the server does not say."""
    completion_tokens: int | None
    seconds: float
    method: str
    """How the structure was obtained."""
    error: str | None
    """Kind of failure; None for a usable reply: only those are ever served again."""
    detail: str
    created: datetime
    """UTC, without a time zone."""
    final: bool = True
    """False for an unusable reply after which the request was asked again."""
    cached_tokens: int | None = None
    """Prompt tokens that the server had cached; counted in `prompt_tokens`."""
    reasoning_tokens: int | None = None
    """Tokens of hidden reasoning; counted in `completion_tokens`."""
    cost: float | None = None
    """Money, by the recipe's price; None is unknown."""
    server: str | None = None
    """Who answered, as the server names itself."""
    tries: Sequence[Mapping[str, Any]] = field(default_factory=list)
    """Exchanges before this one that brought no reply: kind, status, seconds, detail."""
