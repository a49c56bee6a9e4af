"""What a server's protocol is, as one value: where requests go, how they are written, and what answers mean.

A protocol is one file beside `openai.py`; the client, its waits, corrections and probes are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from engine.backends.http.exchange import Exchange
from engine.backends.http.quirks import Quirk
from engine.backends.protocol import Message


def no_parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return nothing: the schema is in the prompt."""
    return {}


class Mode(NamedTuple):
    """One way of asking for structure."""

    name: str
    """As the setting `structured` and the column `method` have it."""
    parameters: Callable[[Mapping[str, Any]], dict[str, Any]] = no_parameters
    """From a schema to the parameters of the request that tell the server of it."""
    in_words: bool = False
    """Whether the schema is in the prompt."""
    promises: Literal["schema", "json", "nothing"] = "schema"
    """What replies keep to where a server honours it."""
    instead_of: str = ""
    """The mode that must have been refused for this one to be tried; empty where it is always tried."""


WORDS = Mode("prompt", in_words=True, promises="nothing")
"""The schema in words, which every server takes."""


class ChatRequest(NamedTuple):
    """One request, before it is written as a protocol wants it; structure is added to it afterwards."""

    model: str
    turns: Sequence[Message]
    max_tokens: int
    temperature: float
    seed: int | None
    """Where replies are sampled: the same request shall get the same reply from servers that know seeds."""
    quirks: frozenset[str]
    """Names of `ChatProtocol.quirks` that this server has."""


@dataclass(frozen=True, slots=True)
class ChatProtocol:
    """One way in which servers take chat turns and give replies."""

    path: str
    """Joined to `base_url`."""
    base: str
    """What `base_url` ends with, in words, for the user who got it wrong."""
    headers: Callable[[str], dict[str, str]]
    """From the key, which may be empty, to the headers of every request."""
    modes: tuple[Mode, ...]
    """Ways of asking for structure."""
    tried: tuple[Mode, ...]
    """Those of them that `structured: auto` tries, best first; the last is taken without a test."""
    write: Callable[[ChatRequest], dict[str, Any]]
    """From a request to its body."""
    read: Callable[[int, Mapping[str, str], bytes], Exchange]
    """From status, headers (names in any case) and body to what they mean; never raises."""
    quirks: Mapping[str, Quirk] = field(default_factory=dict)
    """What some servers want otherwise than usual, by name; where several fit a refusal, the first is meant."""

    def mode(self, name: str) -> Mode:
        """Return a mode by its name."""
        return next(mode for mode in self.modes if mode.name == name)
