"""What a stage is: a re-runnable function of (parameters, inputs, replies so far).

A stage asks for LLM replies through `Context.ask`. Where replies are missing, `ask` raises `Pending`; the run
gathers the pending requests of every node that is ready, sends them, and calls the stages again from the top.
So a stage has no side effect before its last `ask`, and the same inputs always lead to the same requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from engine.backends.protocol import (
    Completion,
    Progress,
    Request,
    Student,
    TrainingJob,
    TrainingResult,
)
from engine.rows import Row
from engine.spec.prompts import Prompt

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

R = TypeVar("R", bound=Row)


class Pending(Exception):
    """Replies are missing: the requests of one role that a stage needs before it can go on."""

    def __init__(self, role: str, requests: Sequence[Request]) -> None:
        """Take the role that must answer and its full, ordered list of requests (answered ones too)."""
        super().__init__(f"{len(requests)} requests to the {role}")
        self.role = role
        self.requests = tuple(requests)


@dataclass(frozen=True, slots=True)
class Output:
    """What a node produced: rows of any tables, in order."""

    rows: tuple[Row, ...]

    def of(self, kind: type[R]) -> list[R]:
        """Return the rows of one kind, in the order in which they were made."""
        return [row for row in self.rows if isinstance(row, kind)]


class Inputs:
    """The outputs of the nodes a node depends on, by the name the plan gave the edge."""

    def __init__(self, outputs: Mapping[str, Output]) -> None:
        """Take one output per edge."""
        self._outputs = outputs

    def __contains__(self, edge: str) -> bool:
        return edge in self._outputs

    def of(self, edge: str, kind: type[R]) -> list[R]:
        """Return the rows of `kind` that the node behind `edge` made; raises KeyError for an unknown edge."""
        return self._outputs[edge].of(kind)

    def edges(self, prefix: str) -> list[str]:
        """Return the edges whose name starts with `prefix`, in plan order."""
        return [edge for edge in self._outputs if edge.startswith(prefix)]


class Context(Protocol):
    """What the run offers a stage."""

    @property
    def node(self) -> str:
        """The node's fingerprint."""
        ...

    @property
    def seed(self) -> int:
        """The loop's seed."""
        ...

    @property
    def round(self) -> int:
        """The round, -1 for the untuned student."""
        ...

    @property
    def attempt(self) -> int:
        """The generation attempt, from 1; 0 where there is none."""
        ...

    @property
    def state(self) -> Path:
        """The project's state folder (`.pada`): models live under `state / "models"`."""
        ...

    def prompt(self, name: str) -> Prompt:
        """Return a prompt that the plan resolved and hashed."""
        ...

    def model(self, role: str) -> str:
        """Return the identity of the model behind a role."""
        ...

    def model_path(self, role: str) -> Path:
        """Return the folder of a local model."""
        ...

    def request(
        self,
        role: str,
        prompt: Prompt,
        variables: Mapping[str, Any],
        schema: Mapping[str, Any],
        temperature: float = 0.0,
    ) -> Request:
        """Build one request; its token limit follows from the schema's bounds."""
        ...

    def ask(self, role: str, requests: Sequence[Request]) -> list[Completion]:
        """Return the completions in the order of `requests`; raises Pending when any is missing."""
        ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit-length embeddings, shape (len(texts), dimensions)."""
        ...

    def student(self) -> Student:
        """Return the student, loaded at first use."""
        ...

    def train(self, job: TrainingJob) -> TrainingResult:
        """Fine-tune in a child process that cannot outlive this one."""
        ...

    def progress(self, what: str, total: int) -> Progress:
        """Open a progress line; call what it returns with the number of items just finished."""
        ...

    def warn(self, text: str) -> None:
        """Tell the user something that does not stop the run."""
        ...


StageFunction = Callable[[Mapping[str, Any], Inputs, Context], Output]


@dataclass(frozen=True, slots=True)
class Stage:
    """A kind of work. `version` is bumped when the same inputs would give other rows."""

    name: str
    version: int
    function: StageFunction
    asks: tuple[str, ...] = ()
    """Roles it may use: student, teacher, judge, embedder. Their identity is part of the fingerprint."""
    prompts: tuple[str, ...] = ()
    """Prompts it always renders."""
