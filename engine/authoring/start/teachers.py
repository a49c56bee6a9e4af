"""Who teaches in a recipe that is begun: the embedded model, a server, or whoever answers request files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.authoring.start.questions import Answers, Question
from engine.errors import EngineError

TEACHERS = ("embedded", "openai", "anthropic", "batch")
_ABOUT = (
    "a small model here: no key, no cost, of little help",
    "a server with OpenAI's API: Ollama, vLLM, a service",
    "a server with Anthropic's API",
    "files of requests that are answered later",
)
_ADDRESSES = {"openai": "http://localhost:11434/v1", "anthropic": "https://api.anthropic.com"}
_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_SECRET = re.compile(r"(?i)^(sk|hf|gsk|xai|ghp)[-_]|^AIza")
NO_KEY = "none"

EMBEDDED: Mapping[str, Any] = {
    "backend": "transformers", "model": "embedded/smollm2-135m-instruct",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Teacher:
    """A recipe's teacher."""

    kind: Literal["embedded", "openai", "anthropic", "batch"]
    spec: Mapping[str, Any]
    """As `models.teacher` has it."""

    @property
    def writes(self) -> bool:
        """Whether it can write rows worth training on."""
        return self.kind != "embedded"


@dataclass(frozen=True, slots=True)
class AskedTeacher:
    """What the command line says of the teacher."""

    kind: str | None = None
    address: str | None = None
    model: str | None = None
    key: str | None = None


def teacher(answers: Answers, asked: AskedTeacher) -> Teacher:
    """Return the teacher that the user chose; raises EngineError for settings that fit no teacher."""
    question = Question("--teacher", "Which model is the teacher?", ("embedded",), TEACHERS, _ABOUT)
    implied = "openai" if asked.kind is None and asked.address else asked.kind
    kind = answers.one(question, implied)
    settings = {"--address": asked.address, "--model": asked.model, "--key": asked.key}
    taken = {"embedded": (), "batch": ("--model",)}.get(kind, tuple(settings))
    for flag, value in settings.items():
        if value is not None and flag not in taken:
            raise EngineError(
                f"{flag} says nothing of the teacher '{kind}'",
                "leave it out, or name another --teacher",
            )
    if kind == "embedded":
        return Teacher("embedded", EMBEDDED)
    model = answers.one(
        Question("--model", "Which model, by the name that the server or the service has for it?"),
        asked.model,
    )
    if kind == "batch":
        return Teacher("batch", {"backend": "batch", "model": model})
    address = answers.one(
        Question(
            "--address",
            "At which address is the server?",
            (_ADDRESSES[kind],),
            check=_check_address,
        ),
        asked.address,
    )
    is_here = re.match(r"https?://(localhost|127\.|\[::1\])", address)
    key = answers.one(
        Question(
            "--key",
            f"Which variable of the environment holds the key? Its name, not the key; `{NO_KEY}` for no key.",
            (NO_KEY if is_here else _KEYS[kind],),
            check=_check_key,
        ),
        asked.key,
    )
    secret = {} if key == NO_KEY else {"api_key": {"env": key}}
    spec = {"backend": kind, "base_url": address, "model": model, **secret}
    return Teacher("openai" if kind == "openai" else "anthropic", spec)


def _check_address(address: str) -> None:
    if not re.match(r"https?://[^\s/@]+", address):
        raise EngineError(
            "--address: this is no address of a server", "write it as http://localhost:8000/v1"
        )


def _check_key(name: str) -> None:
    if not _VARIABLE.fullmatch(name) or _SECRET.match(name):
        raise EngineError(
            "--key: this is not the name of a variable of the environment",
            "keep the key in the environment (`export MY_KEY=…`) and give the variable's name here: MY_KEY",
        )
