"""The benchmark block of a recipe: how the served student, or an endpoint, is timed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from engine.servers import KeyName, ServerUrl
from engine.spec.parts import Spec


class Endpoint(Spec):
    """A server that runs already, with an OpenAI-compatible chat endpoint."""

    base_url: ServerUrl
    """Address of the server, up to where /chat/completions begins: `http://localhost:8000/v1`."""
    model: str
    """The server's own name for the model."""
    api_key: KeyName | None = None
    """`{env: NAME}`: the environment variable that holds the key."""


class Benchmark(Spec):
    """How fast the student answers when it is served: before training, and after the last round of each seed."""

    requests: int = Field(default=20, ge=1, le=100_000)
    """How many requests are sent at each concurrency."""
    concurrency: list[Annotated[int, Field(ge=1, le=1024)]] = Field(default=[1, 4], min_length=1)
    """Requests under way at once; each is measured by itself."""
    max_tokens: int = Field(default=32, ge=2, le=32_768)
    """Most tokens of an answer; one that ends by itself is shorter, as it is in use."""
    split: Literal["validation", "test"] = "validation"
    """Whose rows are asked about, as the student sees them; over again where there are too few."""
    server: Literal["auto", "transformers", "vllm"] = "auto"
    """What serves a student that lies on this machine; auto is vLLM where it is installed and there is a GPU."""
    endpoint: Endpoint | None = None
    """A server to measure, once, in place of one that the engine starts; a student behind a server needs none."""

    @field_validator("concurrency")
    @classmethod
    def _levels_differ(cls, levels: list[int]) -> list[int]:
        if len(levels) != len(set(levels)):
            raise ValueError("two of them are the same")
        return levels
