"""What a backend is: a name, the roles it can play, its settings, what it says of them, and how it is opened."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.backends.protocol import (
    Deferred,
    Embedder,
    Generator,
    Progress,
    Student,
    TrainingJob,
    TrainingResult,
)
from engine.errors import BackendError
from engine.registry import did_you_mean

Role = Literal["student", "teacher", "judge", "embedder"]
Kind = Literal["generator", "student", "embedder"]
"""What a role asks of a backend: teacher and judge are both generators."""


class Settings(BaseModel):
    """Base of a backend's own settings: immutable, unknown keys refused, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which model a backend opens."""

    name: str
    """As the recipe writes it."""
    path: Path | None
    """Folder or file of the weights; for a backend without weights, the recipe's folder."""


class ChatEndpoint(NamedTuple):
    """An address with an OpenAI-compatible chat endpoint, where a model can be timed."""

    base_url: str
    model: str
    """The server's own name for the model."""
    key: str | None = None
    """Name of the environment variable that holds the API key."""
    extra: Mapping[str, Any] = MappingProxyType({})
    """Further parameters of every request."""


Serve = Literal["auto", "transformers", "vllm"]


@dataclass(frozen=True, slots=True)
class Serving:
    """Whether and how vLLM answers for the student."""

    serve: Serve = "auto"
    share: float = 0.4
    """Of the memory that is free where it runs, that vLLM takes at once and keeps."""
    rank: int | None = None
    """For which it makes room, of the adapters; None where students are whole models."""
    modules: tuple[str, ...] = ()
    """Last parts of the names of the layers that adapters may change; empty where that is not known."""


class Served(NamedTuple):
    """A student that may be answered for in a process of its own."""

    student: Student
    start: Callable[[], None]
    """Starts what answers, where the recipe names it: what is wrong with it comes to light before any work."""
    stop: Callable[[], None]
    """Ends what answers; it is started again where it is asked again."""


class Rates(Protocol):
    """What calls cost: money per million tokens."""

    @property
    def prompt(self) -> float:
        """Price of a million prompt tokens."""
        ...

    @property
    def completion(self) -> float:
        """For completion tokens."""
        ...


def _no_secrets(settings: Any) -> tuple[str, ...]:
    return ()


def _no_files(ref: Any, settings: Any) -> Mapping[str, str]:
    return {}


class Extra(NamedTuple):
    """What a backend needs that the engine does not install by itself."""

    library: str
    module: str
    """By which the library is imported."""
    name: str
    """Of the optional dependencies that bring it."""

    def require(self) -> None:
        """Raise BackendError where it is not installed; imports nothing."""
        if importlib.util.find_spec(self.module) is None:
            raise BackendError(
                f"{self.library} is not installed", f"pip install 'pada-engine[{self.name}]'"
            )


@dataclass(frozen=True, slots=True)
class Backend:
    """One way of running models. No library of models is imported before it is opened."""

    name: str
    roles: tuple[Role, ...]
    settings: type[Settings]
    local: bool
    """Whether it runs weights on this machine: then the model's identity is their digest."""
    weights: Literal["folder", "gguf"] = "folder"
    """What those weights are: a folder as transformers writes it, or a GGUF file."""
    extra: Extra | None = None
    """What it needs besides the engine's own dependencies."""
    operational: frozenset[str] = frozenset()
    """Settings that decide how fast or where it answers, never what: no part of any fingerprint."""
    pack: str | None = None
    """The pack for its models, where they are all of one size; None: the recipe has to say."""
    deferred: bool = False
    """Whether replies come after the run has ended: it writes its requests down (`Deferred`)."""
    host: Callable[[Any], str] | None = None
    """Where requests go, from its settings: host and port. None: they stay on this machine, or in a file."""
    address: Callable[[Any], str] | None = None
    """Where requests, and keys with them, go, from its settings: the whole address. None as `host`."""
    secrets: Callable[[Any], tuple[str, ...]] = _no_secrets
    """Names of the environment variables that hold keys, from its settings."""
    price: Callable[[Any], Rates | None] | None = None
    """What its calls cost, from its settings, None where they do not say. None: its calls cost nothing."""
    endpoint: Callable[[str, Any], ChatEndpoint] | None = None
    """Where a student can be timed as it is, from its name and settings. None: nowhere but on a server of its own."""
    generator: Callable[[ModelRef, Any], Generator | Deferred] | None = None
    student: Callable[[ModelRef, Any], Student] | None = None
    served: Callable[[ModelRef, Any, Serving], Served] | None = None
    """A student whose answers vLLM may compute, and what ends it; None: `student` is all there is."""
    embedder: Callable[[ModelRef, Any], Embedder] | None = None
    train: Callable[[TrainingJob, Progress], TrainingResult] | None = None
    """How a student of this backend is fine-tuned; needed for the role student."""
    prefers: bool = False
    """Whether `train` also tunes preferences: jobs with pairs in place of rows."""
    files: Callable[[ModelRef, Any], Mapping[str, str]] = _no_files
    """Files besides the weights that decide its answers, by digest: part of `identity`."""

    @property
    def priced(self) -> bool:
        """Whether its calls may cost money."""
        return self.price is not None

    @property
    def takes_adapter(self) -> bool:
        """Whether a student of this backend may be a base model with an adapter that exists already."""
        return self.local and self.train is not None

    def identity(self, name: str, base: Path, settings: Mapping[str, Any]) -> str:
        """Return what a model without weights here is: backend, name, revision, and the files it reads.

        Raises:
            BackendError: a wrong setting, or a file that cannot be read.
        """
        parsed = self.parse(settings)
        files = self.files(ModelRef(name, base), parsed)
        # Replies are kept by this identity: another revision must not be served the earlier one's.
        revision = getattr(parsed, "revision", None)
        revisions = (f"revision={revision}",) if revision else ()
        return ":".join((self.name, name, *revisions, *(digest[:16] for digest in files.values())))

    def identity_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that decide what is answered: those that belong into fingerprints."""
        return {key: value for key, value in settings.items() if key not in self.operational}

    def parse(self, settings: Mapping[str, Any]) -> Settings:
        """Return the settings as written in a recipe, checked.

        Raises:
            BackendError: an unknown key or a wrong value, with the field's name.
        """
        try:
            return self.settings.model_validate(dict(settings))
        except ValidationError as problem:
            first = problem.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            unknown = first["type"] == "extra_forbidden"
            hint = did_you_mean(field, self.settings.model_fields) if unknown else ""
            raise BackendError(f"backend {self.name}: {field}: {first['msg']}", hint) from problem

    def open(
        self, kind: Kind, path: Path | None, name: str, settings: Mapping[str, Any]
    ) -> Generator | Deferred | Student | Embedder:
        """Return the model in one of its uses; weights are loaded when it is first asked.

        Args:
            kind: What it is wanted for.
            path: Folder or file of the weights, or the recipe's folder for a backend without weights.
            name: The model's name as the recipe writes it.
            settings: The backend's settings, as written or with defaults.

        Raises:
            BackendError: the backend cannot do this, or a setting is wrong.
        """
        openers = {"generator": self.generator, "student": self.student, "embedder": self.embedder}
        opener = openers[kind]
        if opener is None:
            raise BackendError(
                f"the backend '{self.name}' cannot be a {kind}",
                f"it can be: {', '.join(self.roles)}",
            )
        return opener(ModelRef(name, path), self.parse(settings))
