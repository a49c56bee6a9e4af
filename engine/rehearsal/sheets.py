"""What is said of one request before it is read: for whom it is, from which file, how long it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.backends.protocol import Message
from engine.plan.resources import Resources
from engine.rehearsal.rehearse import Prompted
from engine.rehearsal.tokens import Count, count_tokens


@dataclass(frozen=True, slots=True)
class Sheet:
    """One request with all that is to be known of it."""

    role: str
    model: str
    backend: str
    pack: str
    """Empty for the student, who has none."""
    prompt: str
    file: Path
    alike: int
    """Requests with this prompt in all."""
    characters: int
    tokens: Count
    max_tokens: int
    """Of the reply."""
    thinking_tokens: int
    """Those of them that are to think."""
    turns: Sequence[Message]
    schema: Mapping[str, Any] | None
    has_row: bool


def sheet(resources: Resources, prompted: Prompted) -> Sheet:
    """Return what is to be known of a request."""
    role, prompt, request, alike, has_row = prompted
    model = resources.models[role]
    texts = [message.content for message in request.messages]
    return Sheet(
        role=role,
        model=model.name,
        backend=model.backend,
        pack=resources.packs[role].name if role in resources.packs else "",
        prompt=prompt.name,
        file=prompt.path,
        alike=alike,
        characters=sum(map(len, texts)),
        tokens=count_tokens(texts, model, resources.models["student"]),
        max_tokens=request.max_tokens,
        thinking_tokens=model.thinking_tokens,
        turns=request.messages,
        schema=request.schema,
        has_row=has_row,
    )
